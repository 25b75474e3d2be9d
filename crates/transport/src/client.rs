//! The calling side: settings of remote clusters, their connections, and the calls.

mod alias;
mod attempt;
mod backoff;
mod calls;
mod cluster;
mod clusters;
mod connection;
mod delta_heal;
mod dial;
mod frame_pieces;
mod incoming_file;
mod info;
mod open_read;
mod pool;
mod reassembly;
mod settings;
mod settings_error;

pub use alias::ClusterAlias;
pub use cluster::RemoteCluster;
pub use clusters::{LocalIdentity, RemoteClusters};
pub use info::{RemoteClusterInfo, RemoteConnectionInfo};
pub use settings::{
    RemoteClusterSettings, RemoteCompression, RemoteCompressionScheme, RemoteConnectionMode, SettingInput,
};
pub use settings_error::RemoteSettingsError;

#[cfg(test)]
mod tests;
