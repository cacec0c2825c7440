"""What nginx asks the Drive: included at /_gateway/upload-link."""

from django.urls import path

from . import views_upload_link

urlpatterns = [path("", views_upload_link.admission, name="admit_upload")]
