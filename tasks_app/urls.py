"""Where the tasks room answers."""

from django.urls import path

from tasks_app.api import views as api_views
from tasks_app.views import cards, hosts, logs, station

pages = [
    path("station/", station.stations, name="stations"),
    path("station/<slug:name>/", station.station, name="station"),
    path("station/<slug:name>/<str:slot>/confirm/", station.confirm, name="station_confirm"),
    path("station/<slug:name>/<str:slot>/release/", station.release, name="station_release"),
    path("station/<slug:name>/lot/", station.lot, name="station_lot"),
    path("staff/cards/", cards.cards, name="card_statistics"),
    path("staff/hosts/", hosts.hosts, name="hosts"),
    path("staff/tasks/<uuid:task>/attempts/<int:attempt>/log/", logs.attempt_log, name="attempt_log"),
]

api = [
    path("hosts/me/beat", api_views.BeatView.as_view(), name="host_beat"),
    path("hosts/me/assignments", api_views.AssignmentsView.as_view(), name="host_assignments"),
    path("tasks/<uuid:task>/claim", api_views.ClaimView.as_view(), name="task_claim"),
    path("tasks/<uuid:task>/report", api_views.ReportView.as_view(), name="task_report"),
    path("tasks/<uuid:task>/release", api_views.ReleaseView.as_view(), name="task_release"),
    path("tasks/<uuid:task>/ticket", api_views.TicketView.as_view(), name="task_ticket"),
    path("tasks/<uuid:task>/permit", api_views.PermitView.as_view(), name="task_permit"),
    path("warehouse/publish", api_views.PublishView.as_view(), name="warehouse_publish"),
    path("warehouse/published", api_views.PublishedView.as_view(), name="warehouse_published"),
    path("warehouse/ended", api_views.EndedView.as_view(), name="warehouse_ended"),
]
