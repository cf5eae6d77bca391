"""On PostgreSQL: keys in the order of their code points, whatever the database's own is."""

from typing import Any

from django.db import migrations


def order_by_code_point(_apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        # SQLite compares bytes.
        return
    for table, column in (("gossip_entry", "key"), ("gossip_peer", "node_id")):
        with connection.cursor() as cursor:
            constraints = connection.introspection.get_constraints(cursor, table)
        for name, about in constraints.items():
            # Django makes a second index for patterns; the first now serves them as well.
            if about["columns"] == [column] and not about["unique"]:
                schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")
        schema_editor.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("gossip", "0002_epoch")]

    operations = [
        migrations.RunPython(order_by_code_point, migrations.RunPython.noop, elidable=False)
    ]
