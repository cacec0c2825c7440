"""Turns are called leases; their table keeps its name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("lab", "0013_environment_help")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Turn", "Lease"),
                migrations.AlterModelTable("lease", "lab_turn"),
            ]
        )
    ]
