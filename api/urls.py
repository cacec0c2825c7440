from django.urls import path
from django.views.generic import RedirectView

from .v1.api import api

to_docs = RedirectView.as_view(pattern_name="api:openapi-view")

urlpatterns = [
    path("", to_docs),
    path("v1/", to_docs),
    path("v1/", api.urls),
]
