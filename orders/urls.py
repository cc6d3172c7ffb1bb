"""Where the orders room answers: `pages` at the root, `api` below /api/v1/."""

from django.urls import path
from django.views.generic import RedirectView
from rest_framework.routers import SimpleRouter

from orders.api import views as api_views
from orders.views import downloads

router = SimpleRouter(use_regex_path=False)
router.register("orders", api_views.OrderViewSet, basename="api-order")
router.register("configurations", api_views.ConfigurationViewSet, basename="api-configuration")
router.register("media", api_views.MediaViewSet, basename="api-media")
router.register("contents", api_views.ContentViewSet, basename="api-content")

pages = [
    path("orders/<uuid:pk>/", RedirectView.as_view(pattern_name="api-order-detail"), name="order"),
    path("d/<slug:token>/<str:name>", downloads.download, name="download"),
]

api = router.urls
