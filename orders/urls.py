"""Where the orders room answers: `pages` at the root, `api` below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from orders.api import addresses as api_addresses
from orders.api import configurations as api_configurations
from orders.api import contents as api_contents
from orders.api import desk as api_desk
from orders.api import views as api_views
from orders.views import (
    addresses,
    certificates,
    configurations,
    contents,
    desk,
    downloads,
    exchange,
    home,
    lists,
    ordering,
    statistics,
    uploads,
    versions,
)
from orders.views import pages as views

router = SimpleRouter(use_regex_path=False)
router.register("orders", api_views.OrderViewSet, basename="api-order")
router.register("orders", api_desk.DeskViewSet, basename="api-desk")
router.register("addresses", api_addresses.AddressViewSet, basename="api-address")
router.register("configurations", api_configurations.ConfigurationViewSet, basename="api-configuration")
router.register("uploads", api_configurations.UploadViewSet, basename="api-upload")
router.register("media", api_views.MediaViewSet, basename="api-media")
router.register("contents", api_contents.ContentViewSet, basename="api-content")

pages = [
    path("", home.home, name="home"),
    path("orders/", lists.orders, name="orders"),
    path("orders/new/", ordering.order_new, name="order_new"),
    path("orders/<uuid:pk>/", views.order, name="order"),
    path("orders/<uuid:pk>/cancel/", views.order_cancel, name="order_cancel"),
    path("orders/<uuid:pk>/end/", views.order_end, name="order_end"),
    path("orders/<uuid:pk>/retry/", views.order_retry, name="order_retry"),
    path("orders/<uuid:pk>/ship/", views.order_ship, name="order_ship"),
    path("orders/<uuid:pk>/labels/", certificates.labels, name="order_labels"),
    path("c/<slug:key>", certificates.certificate, name="certificate"),
    path("c/<slug:key>/code.svg", certificates.code, name="certificate_code"),
    path("staff/statistics/", statistics.statistics, name="statistics"),
    path("staff/orders/<uuid:pk>/note/", desk.order_note, name="order_note"),
    path("staff/orders/<uuid:pk>/priority/", desk.order_priority, name="order_priority"),
    path("staff/orders/<uuid:pk>/address/", desk.order_address, name="order_address"),
    path("staff/orders/<uuid:pk>/recipe/", desk.order_recipe, name="order_recipe"),
    path("staff/orders/<uuid:pk>/recreate/", desk.order_recreate, name="order_recreate"),
    path("configurations/", configurations.configurations, name="configurations"),
    path("configurations/new/", configurations.configuration_new, name="configuration_new"),
    path("configurations/import/", exchange.configuration_import, name="configuration_import"),
    path("configurations/<int:pk>/export/", exchange.configuration_export, name="configuration_export"),
    path("configurations/<int:pk>/recipe/", exchange.configuration_recipe, name="configuration_recipe"),
    path("configurations/<int:pk>/", configurations.configuration, name="configuration"),
    path("configurations/<int:pk>/delete/", configurations.configuration_delete, name="configuration_delete"),
    path("addresses/", addresses.addresses, name="addresses"),
    path("addresses/new/", addresses.address_new, name="address_new"),
    path("addresses/<int:pk>/", addresses.address, name="address"),
    path("addresses/<int:pk>/delete/", addresses.address_delete, name="address_delete"),
    path(
        "configurations/<int:pk>/undelete/",
        configurations.configuration_undelete,
        name="configuration_undelete",
    ),
    path(
        "configurations/<int:pk>/duplicate/",
        configurations.configuration_duplicate,
        name="configuration_duplicate",
    ),
    path(
        "configurations/<int:pk>/pictures/<slug:what>/",
        configurations.configuration_picture,
        name="configuration_picture",
    ),
    path("configurations/<int:pk>/versions/", versions.versions, name="configuration_versions"),
    path("configurations/<int:pk>/versions/<int:number>/", versions.version, name="configuration_version"),
    path(
        "configurations/<int:pk>/versions/<int:number>/restore/",
        versions.version_restore,
        name="configuration_restore",
    ),
    path("u/<slug:key>/", uploads.upload, name="upload"),
    path("configurations/<int:pk>/replace/", contents.configuration_replace, name="configuration_replace"),
    path("contents/", contents.contents, name="contents"),
    path("contents/<int:pk>/", contents.content, name="content"),
    path("d/<slug:token>/<str:name>", downloads.download, name="download"),
]

api = router.urls
