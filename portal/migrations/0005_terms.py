from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0004_language")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="terms_version",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Version of the terms of use that the person accepted last.",
                max_length=100,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="user",
            name="terms_accepted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
