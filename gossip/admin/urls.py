"""The URLs of the admin. Importing them loads all of it."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from gossip.admin import entries, stored

# The pages of other apps, users above all.
admin.autodiscover()
admin.site.register(entries.EntryRow, entries.EntryAdmin)
admin.site.register(stored.PeerRow, stored.PeerAdmin)
admin.site.register(stored.NodeRow, stored.NodeAdmin)

urlpatterns = [
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
]
