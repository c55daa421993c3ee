//! `sim:PATH?as=NAME&port=1+2`: one nexus for each target port.

use super::{Asked, Candidates, PathSpec};

/// The notation of each path; what is wrong with one is told when it is opened.
pub(super) fn expand(spec: &str) -> Candidates {
    let one = || Candidates { asked: Asked::ForOnePath, paths: vec![PathSpec::new(spec)] };
    let Some((path, options)) = spec.rsplit_once('?') else { return one() };
    let Some((before, ports, after)) = port_option(options) else { return one() };
    if !ports.contains('+') {
        return one();
    }
    let mut paths: Vec<PathSpec> = Vec::new();
    for port in ports.split('+') {
        let path = PathSpec::new(format!("{path}?{before}port={port}{after}"));
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Candidates { asked: Asked::ForAll, paths }
}

/// The options before `port=`, its value, and the options after it.
fn port_option(options: &str) -> Option<(&str, &str, &str)> {
    let mut at = 0;
    for option in options.split('&') {
        if let Some(ports) = option.strip_prefix("port=") {
            let end = at + option.len();
            return Some((options.get(..at)?, ports, options.get(end..)?));
        }
        at += option.len() + 1;
    }
    None
}
