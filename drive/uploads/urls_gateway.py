"""What the proxy asks about uploads: included at /_gateway/."""

from django.urls import path

from . import admission

urlpatterns = [
    path("upload", admission.may_upload, name="may_upload"),
    path("refused-form", admission.refused_form, name="refused_form"),
]
