"""What a node keeps in its database. Only `gossip.stores` writes these tables; the rest reads them.

Who may write is decided here: whoever begins a life of the node raises `NodeRow.epoch`, and every
transaction of a journal first finds its own epoch there, with the row locked, or changes nothing.

Lengths are checked where data enters (`gossip.core`), so text columns have none: a row that the
database refuses would hold up every write behind it.
"""
# ruff: noqa: DJ001  # NULL is not the empty text: a tombstone has no value, some peers no endpoint

from django.db import models

from gossip.columns import AnyText, Words


class EntryRow(models.Model):
    """One entry of the replicated state (E1), with its hashes, so that a start computes none."""

    key = AnyText(primary_key=True)
    version = models.BigIntegerField(help_text="Greater wins; by custom the writer's milliseconds.")
    value = models.TextField(null=True, help_text="Compact JSON text; empty (NULL) is a tombstone.")
    expires_at = models.BigIntegerField("expires at", null=True, help_text="Milliseconds (E6).")
    timestamp = models.BigIntegerField(help_text="Milliseconds of the writer's clock.")
    origin = AnyText(null=True, help_text="Node id of the writer.")
    value_hash = models.BinaryField(
        "value hash", help_text="SHA-256 of the canonical value; empty for a tombstone."
    )
    entry_hash = models.BigIntegerField(
        "entry hash", help_text="The 64 bits of section 10, as a signed number."
    )

    class Meta:
        db_table = "gossip_entry"
        verbose_name = "entry"
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return str(self.key)


class PeerRow(models.Model):
    """One member remembered across restarts (M7)."""

    node_id = AnyText("node id", primary_key=True)
    public_key = AnyText("public key")
    gossip_endpoint = AnyText(
        "gossip endpoint", null=True, help_text="Empty (NULL): it cannot be dialed."
    )
    api_endpoint = AnyText("API endpoint", null=True)
    region = AnyText()
    capabilities = Words(help_text="A list of words.")
    version = AnyText(help_text="Version of its software.")
    incarnation = models.BigIntegerField(help_text="0 for a plain peer, which has none.")
    last_seen = models.BigIntegerField("last seen", help_text="Milliseconds of our clock.")

    class Meta:
        db_table = "gossip_peer"
        verbose_name = "peer"
        verbose_name_plural = "peers"

    def __str__(self) -> str:
        return str(self.node_id)


class NodeRow(models.Model):
    """This node itself: one row, whose primary key is always `ONLY`."""

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True, default=ONLY, editable=False)
    node_id = AnyText("node id")
    incarnation = models.BigIntegerField(help_text="Greater in every life of the node (M1).")
    clock_floor = models.BigIntegerField(
        "clock floor", help_text="Milliseconds: the wall time persisted last (E2)."
    )
    epoch = models.BigIntegerField(
        default=0, help_text="Greater with each takeover; who has a lesser one stores nothing."
    )

    class Meta:
        db_table = "gossip_node"
        verbose_name = "node"
        verbose_name_plural = "node"

    def __str__(self) -> str:
        return str(self.node_id)
