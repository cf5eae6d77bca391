"""The page at the root of the node, and the icon of all pages."""

from django.urls import path

from gossip.dashboard import views

urlpatterns = [
    path("", views.status, name="status"),
    # Browsers ask for it where a page names no icon: the admin, or JSON by itself.
    path("favicon.ico", views.icon, name="icon"),
]
