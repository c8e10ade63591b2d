//! `token`: one request, one write. It runs once per shell command, so nothing else happens here.

use fourinsight_client::TokenRequest;
use zeroize::Zeroizing;

use super::{Context, why};
use crate::{
    cli::{self, Token},
    failure::{Exit, Failure},
    output,
};

pub(super) fn run(context: &Context, options: &Token) -> Result<Exit, Failure> {
    let token = context
        .client
        .token_for(&request(options))
        .map_err(|error| why::pointing_here(context, &options.key, error.into()))?;
    if context.json {
        output::json_to_stdout(token.response())?;
        return Ok(Exit::Done);
    }
    let prefix = if options.header { "Authorization: Bearer " } else { "" };
    let secret = token.secret();
    // With room for everything from the start, no copy of the token is left behind by a growing buffer.
    let mut line = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len() + 1));
    for part in [prefix, secret, "\n"] {
        line.extend_from_slice(part.as_bytes());
    }
    output::to_stdout(&line)?;
    Ok(Exit::Done)
}

fn request(options: &Token) -> TokenRequest {
    let mut request = TokenRequest::new(options.key.clone());
    if let Some(min_validity) = options.min_validity {
        request = request.min_validity(min_validity);
    }
    if let Some(wait) = options.wait {
        request = request.wait(wait);
    }
    if let Some(scope) = cli::join_scopes(&options.scopes) {
        request = request.scope(&scope);
    }
    for resource in &options.resources {
        request = request.resource(resource.clone());
    }
    if let Some(claims) = &options.claims {
        request = request.claims(claims.clone());
    }
    request.enable_cae(options.enable_cae)
}
