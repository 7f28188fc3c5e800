//! The flags that say where the store is and who calls. All commands that go over the wire share
//! them.

use std::env::VarError;

use clap::Args;

use super::Failure;
use crate::program::instance::keys::{KEY_ID, SECRET};
use tablestore::client::{Client, ClientConfig, ClientError};

/// The connection to a store. Its variables are those that programs for Tablestore use and that
/// `orderflow up` prints.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection (the key pair comes from OTS_AK_ENV and OTS_SK_ENV)")]
pub struct ConnectionArgs {
    /// URL of the store, such as http://127.0.0.1:8087, or of a Tablestore instance
    #[arg(long, env = "OTS_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,
    /// Name of the instance
    #[arg(long, env = "OTS_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Region of the instance; with one, requests are signed by version 4 of the signature
    #[arg(long, env = "OTS_REGION", value_name = "REGION")]
    pub region: Option<String>,
}

impl ConnectionArgs {
    /// Returns the client's settings. The key pair is read through `variable`, which is the
    /// environment except in tests.
    ///
    /// # Errors
    /// Returns [`Failure`] with exit code 2 that names what is missing and says where it comes
    /// from.
    pub fn settings(
        &self,
        variable: impl Fn(&'static str) -> Result<String, VarError>,
    ) -> Result<ClientConfig, Failure> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let secret = |name| match variable(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Failure::new(2, format!("{name} is not text"))),
        };
        let values = [
            ("OTS_ENDPOINT (or --endpoint)", given(&self.endpoint)),
            ("OTS_INSTANCE (or --instance)", given(&self.instance)),
            (KEY_ID, secret(KEY_ID)?),
            (SECRET, secret(SECRET)?),
        ];
        match &values {
            [(_, Some(endpoint)), (_, Some(instance)), (_, Some(key_id)), (_, Some(secret))] => {
                Ok(ClientConfig::new(endpoint, instance, key_id, secret, given(&self.region).as_deref()))
            }
            _ => {
                let missing: Vec<_> =
                    values.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
                let are = if missing.len() == 1 { "is" } else { "are" };
                Err(Failure::new(
                    2,
                    format!(
                        "{} {are} not set: paste the export lines that `orderflow up` prints, or set them to those of \
                         your Tablestore instance",
                        missing.join(", ")
                    ),
                ))
            }
        }
    }

    /// Runs `act` with a client of these settings.
    ///
    /// # Errors
    /// Returns [`Failure`] if a setting is missing or wrong, or the failure of `act`.
    pub fn run<T>(&self, act: impl AsyncFnOnce(Client) -> Result<T, Failure>) -> Result<T, Failure> {
        let settings = self.settings(std::env::var)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
        runtime.block_on(async {
            let client = Client::new(settings)?;
            match act(client.clone()).await {
                Err(failure) => Err(explained(failure, &client).await),
                done => done,
            }
        })
    }
}

/// Adds to a failure what the store's log says of the refused request, which names the table, row or
/// limit. A store that does not answer that, such as the vendor's, adds nothing.
async fn explained(mut failure: Failure, client: &Client) -> Failure {
    let Some(request_id) = &failure.request_id else { return failure };
    let Ok(refused) = client.why(request_id).await else { return failure };
    if let Some(detail) = refused.refusals.iter().find_map(|refusal| refusal.detail.as_ref()) {
        failure.message = format!("{}: {detail}", failure.message);
    }
    failure
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let request_id = match &error {
            ClientError::Refused { error, .. } => Some(error.request_id.clone()),
            _ => None,
        };
        let failure = Failure::new(error.exit_code(), format!("{error}{}", error.what_to_do()));
        Failure { request_id: request_id.filter(|id| !id.is_empty()), ..failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &ConnectionArgs, key_id: &str, secret: &str) -> Result<ClientConfig, Failure> {
        args.settings(|name| match name {
            KEY_ID => Ok(key_id.to_owned()),
            _ if secret.is_empty() => Err(VarError::NotPresent),
            _ => Ok(secret.to_owned()),
        })
    }

    fn args(endpoint: &str, instance: &str, region: &str) -> ConnectionArgs {
        let [endpoint, instance, region] = [endpoint, instance, region].map(|value| Some(value.to_owned()));
        ConnectionArgs { endpoint, instance, region }
    }

    #[test]
    fn what_is_missing_is_named_with_where_it_comes_from() {
        let how = "paste the export lines that `orderflow up` prints, or set them to those of your Tablestore instance";
        for (args, key_id, secret, missing) in [
            (args("", "i", "r"), "k", "s", "OTS_ENDPOINT (or --endpoint) is"),
            (args("http://h", "", ""), "k", "s", "OTS_INSTANCE (or --instance) is"),
            (args("http://h", "i", ""), "", "s", "OTS_AK_ENV is"),
            (args("http://h", "i", ""), "k", "", "OTS_SK_ENV is"),
            (
                ConnectionArgs::default(),
                "",
                "",
                "OTS_ENDPOINT (or --endpoint), OTS_INSTANCE (or --instance), OTS_AK_ENV, OTS_SK_ENV are",
            ),
        ] {
            let failure = settings(&args, key_id, secret).unwrap_err();
            assert_eq!((failure.exit_code, failure.message), (2, format!("{missing} not set: {how}")));
        }
    }

    #[test]
    fn an_empty_region_is_none() {
        let config = settings(&args("http://h", "i", ""), "k", "s").unwrap();
        assert_eq!((config.region, config.secret.as_str()), (None, "s"));
        let config = settings(&args("http://h", "i", "r"), "k", "s").unwrap();
        assert_eq!(config.region.as_deref(), Some("r"));
    }
}
