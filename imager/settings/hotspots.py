"""What hotspots are made of beside their contents, and what organizations may bring along."""

from __future__ import annotations

from imager.env import env
from imager.settings.site import VAR

MIB = 1024 * 1024

# The hotspot's programs (dashboard, admin pages, captive portal, kiwix-serve …) by offspot-config: container
# images that creator hosts pull from their registry. Off: files, Wi-Fi and names alone.
HOTSPOT_SOFTWARE = env.bool("HOTSPOT_SOFTWARE", default=True)

# Readers that visitors may install: PLATFORM=ADDRESS, separated by commas.
_MIRROR = "https://mirror.download.kiwix.org/release"
KIWIX_READERS = env.dict(
    "KIWIX_READERS",
    default={
        "windows": f"{_MIRROR}/kiwix-desktop/kiwix-desktop_windows_x64_2.5.1.zip",
        "android": f"{_MIRROR}/kiwix-android/org.kiwix.kiwixmobile.standalone-3.14.0.apk",
        "macos": f"{_MIRROR}/kiwix-macos/kiwix-macos_3.12.0.dmg",
        "linux": f"{_MIRROR}/kiwix-desktop/kiwix-desktop_x86_64_2.5.1.appimage",
    },
)
KIWIX_READER_BYTES = env.int(
    "KIWIX_READER_BYTES", default=250 * MIB
)  # the largest; their servers tell exactly

BETA_FEATURES: dict[str, str] = env.dict(
    "BETA_FEATURES", default={}
)  # name=what it is, for organizations that try them

# Uploads: private files, fetched by creator hosts. All web processes must see the same: a folder, or object
# storage (UPLOADS_BACKEND=storages.backends.s3.S3Storage, its options in the environment as it documents).
UPLOADS_BACKEND = env.str("UPLOADS_BACKEND", default="django.core.files.storage.FileSystemStorage")
_folder = {"location": env.str("UPLOADS_ROOT", default=str(VAR / "uploads")), "base_url": None}
UPLOADS = {
    "BACKEND": UPLOADS_BACKEND,
    "OPTIONS": _folder if UPLOADS_BACKEND.endswith("FileSystemStorage") else {},
}
LOGO_BYTES = 1 * MIB  # as uploaded
LOGO_PIXELS = 16_000_000  # width × height, before anything is decoded
ZIP_BYTES = env.int("ZIP_BYTES", default=512 * MIB)  # an archive that is uploaded
ZIP_UNPACKED_BYTES = env.int("ZIP_UNPACKED_BYTES", default=64_000_000_000)
IMPORT_BYTES = 8 * MIB  # a configuration as JSON; two logos of 3 MiB in base64 fit

# Networks of addresses that the web may ask although they are not public, e.g. 192.168.1.0/24.
FETCH_ALLOW_NETWORKS = env.list("FETCH_ALLOW_NETWORKS", default=[])
