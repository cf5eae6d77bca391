"""The page at the root of the node."""

from django.urls import path

from gossip.dashboard import views

urlpatterns = [path("", views.status, name="status")]
