"""The URLs of a node: the HTTP interface at the root, the page, and one form of errors."""

from django.urls import include, path

urlpatterns = [
    path("", include("gossip.api.urls")),
    path("", include("gossip.dashboard.urls")),
]

handler400 = "gossip.api.errors.bad_request"
handler404 = "gossip.api.errors.not_found"
handler500 = "gossip.api.errors.server_error"
