"""What the site says about a person beside their number, in the way that the framework documents."""

from oauth2_provider.oauth2_validators import OAuth2Validator


class Validator(OAuth2Validator):
    """Adds the name that people know."""

    def get_additional_claims(self, request):
        return {"name": request.user.get_full_name(), "preferred_username": request.user.get_username()}
