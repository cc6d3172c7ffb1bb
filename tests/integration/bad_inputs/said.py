"""Sentences that more than one door says, and those that are longer than a line."""

from __future__ import annotations

WIFI_SIGNS = (
    "The Wi-Fi password may hold letters, digits and signs of the basic Latin alphabet only, without "
    "accents. Replace the others."
)
SSID_BYTES = (
    "The Wi-Fi name takes 33 bytes in UTF-8, but at most 32 fit: letters with accents take 2 bytes, other "
    "scripts 3 or 4. Shorten it."
)
SSID_SIGNS = (
    'The Wi-Fi name has 1 to 32 characters; not + ] / " or a tab, and not ! # ; at the beginning. '
    "Example: Kiwix Hotspot"
)
VARIANTS = "Demo, Preppers, Preppers Premium, Computer, Medical, Wikipedia EN"
NOT_PUBLIC = "127.0.0.1 is no public server, so it is not asked. Use a public one, or upload the archive."
E_MAIL = "“Recipient's e-mail” must be an e-mail address, for example awa@example.org."
NO_ZIP = "This is no ZIP archive, or not all of it arrived. Make it again as .zip."
PHONE = (
    "Not a phone number that can be dialled from abroad. Begin with + and the country's code, for example "
    "+223 20 21 23 45."
)
NO_PASSWORD = "The file holds no admin password (admin_account.password). Export it with passwords."
CUT = (
    "nothing changed: it is no whole XML (unclosed token: line 399, column 4): cut off, or something else; "
    "the next look fetches it again."
)
SHRUNK = (
    "nothing changed: it holds 4 entries where 20 are known; if that is right, run "
    "`manage.py sync_catalog --accept-less`."
)
ENTITIES = (
    "nothing changed: it declares a document type or entities, which no feed of a library does; name another "
    "address."
)
ENTRIES = (
    "beta_features.1: “beta_features[1]” has at most 50 characters: shorten it. | "
    "beta_features.2: “beta_features[2]” is empty: fill it in. | "
    "beta_features.4: “beta_features[4]” must not be null: send a value. | "
    "beta_features.5: “beta_features[5]” must be text, between quotation marks."
)
