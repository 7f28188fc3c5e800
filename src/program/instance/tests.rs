use std::path::Path;

use super::*;
use live::job::CHANGES_MAX;
use orders::Layout;

fn config(data: &Path) -> InstanceConfig {
    let layout = Layout::default();
    InstanceConfig {
        data: data.to_owned(),
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        instance: "shop".to_owned(),
        durability: Durability::Relaxed,
        own_key: None,
        job: Some(JobConfig { workers: 1, layout, changes_max: CHANGES_MAX }),
        page: Some(PageAddress {
            addresses: vec!["127.0.0.1:0".parse().unwrap()],
            hosts: Vec::new(),
            embed: Vec::new(),
            readers_max: 10,
            token: None,
        }),
        tls: None,
        metrics_readers: MetricsReaders::All,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_until_asked_and_frees_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for job in [true, false, true] {
        let mut config = config(folder.path());
        config.job = config.job.filter(|_| job);
        let mut instance = Instance::start(config).await.unwrap();
        assert_eq!(instance.job().is_some(), job);
        assert_eq!(instance.endpoint(), format!("http://{}", instance.address()));
        let (stop, stopped) = oneshot::channel::<()>();
        let address = instance.address();
        let caller = tokio::spawn(async move {
            let connected = tokio::net::TcpStream::connect(address).await;
            drop(stop);
            connected.is_ok()
        });
        instance.run_until(async { drop(stopped.await) }).await.unwrap();
        assert!(caller.await.unwrap());
        keys.push(instance.key().clone());
        instance.stop().await.unwrap();
    }
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_start_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = Instance::start(InstanceConfig { addresses: vec![address], ..config(folder.path()) }).await;
    let error = refused.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert_eq!(
        error.to_string(),
        format!("{address} is in use by another program: stop that, or choose another port with --listen")
    );
    let instance = Instance::start(config(folder.path())).await.unwrap();
    let error = Instance::start(config(folder.path())).await.unwrap_err();
    assert!(error.to_string().contains(" is in use by process "), "{error}");
    instance.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_instance_ends() {
    let folder = tempfile::tempdir().unwrap();
    drop(Instance::start(config(folder.path())).await.unwrap());
    // The tasks of a dropped instance end by themselves after a moment.
    let again = loop {
        match Instance::start(config(folder.path())).await {
            Ok(instance) => break instance,
            Err(error) => assert!(matches!(error, InstanceError::Open(_)), "{error}"),
        }
    };
    again.stop().await.unwrap();
}

#[test]
fn callers_are_told_an_address_that_they_can_use() {
    for (address, expected) in [
        ("127.0.0.1:8087", "http://127.0.0.1:8087"),
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("[::]:1", "http://[::1]:1"),
        ("[::1]:1", "http://[::1]:1"),
        ("10.1.2.3:80", "http://10.1.2.3:80"),
    ] {
        assert_eq!(endpoint("http", address.parse().unwrap()), expected);
    }
}
