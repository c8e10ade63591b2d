"""The same site with the metadata of RFC 8414 where that standard looks for it: at the root of the origin."""

from django.urls import include, path
from oauth2_provider.urls import metadata_urlpatterns

from prefixed_urls import urlpatterns as prefixed

urlpatterns = [*prefixed, path("", include((metadata_urlpatterns, "metadata")))]
