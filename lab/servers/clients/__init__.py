"""Clients of a Jupyter server's API: direct, or through a JupyterHub."""

from django.conf import settings

from lab.models import Server

from .hub import HubJupyterClient
from .jupyter import JupyterClient


def client_of(server: Server) -> JupyterClient:
    """Client of the server's API; its methods raise JupyterError."""
    return HubJupyterClient(server) if settings.LAB_LAUNCHER == "jupyterhub" else JupyterClient(server)
