//! What several threads ask for at once: whoever asks is answered, and none waits for itself.

use crate::clusters;
use npcheck::cluster::Cluster;
use npcheck::engine::Engine;
use rayon::prelude::*;
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn the_relation_is_worked_out_though_all_threads_ask_for_it() {
    let (sender, done) = mpsc::channel();
    // Whoever waits for itself never ends.
    std::thread::spawn(move || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build();
        pool.expect("there are threads").install(|| {
            for seed in 0..400 {
                let cluster = Cluster::new(clusters::objects(seed));
                let engine = Engine::new(&cluster);
                let groups = (0..64).into_par_iter().map(|_| engine.relation().groups());
                let groups: Vec<usize> = groups.map(|groups| groups.len()).collect();
                assert!(groups.iter().all(|count| *count == groups[0]));
            }
        });
        sender.send(()).expect("somebody waits");
    });
    let answer = done.recv_timeout(Duration::from_secs(120));
    answer.expect("nobody waits for itself");
}
