"""The site's addresses as most sites have them: the framework below a prefix, the login page Django's own."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path

import ledger

urlpatterns = [
    path("o/", include("oauth2_provider.urls")),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html")),
    # The login page's template names some of its addresses.
    path("admin/", admin.site.urls),
    path("practice/ledger", ledger.show),
]
