//! The shipped files are whole and can be used as they stand.

use crate::jira::{Config, Jira};
use crate::{Connector, Secrets};

#[test]
fn the_shipped_files_build_a_connector() {
    let files = [
        include_str!("../../../config/connectors/jira.toml"),
        include_str!("../../../config/connectors/jira-dc.toml"),
    ];
    for (file, account_wide) in files.into_iter().zip([100, 20]) {
        let mut whole: toml::Table = toml::from_str(file).expect("a readable file");
        let table = whole.remove("jira").expect("the table of the vendor");
        let config: Config = table.try_into().expect("a valid table");
        let known =
            config.secrets().into_iter().map(|name| (name.0.clone(), "secret".to_owned().into())).collect();
        let connector = Jira::new("here", &config, &Secrets(known)).expect("a connector");
        assert_eq!(connector.profile().fetch_max, account_wide);
        assert!(Jira::new("here", &config, &Secrets::default()).is_err(), "secrets are needed");
    }
}
