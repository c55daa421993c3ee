//! tmp
use palisade_model::config::*;
use palisade_model::run::explore;
fn show(name: &str, c: Config) {
    let f = explore(c, 2);
    println!("{name}: {} states, depth {}, {:?}, seen {:?}", f.states, f.depth, f.took, f.seen);
    if let Some(b) = f.broken { println!("  BROKEN {} in {}:", b.property, b.path.len()); for a in b.path { print!(" {a:?}"); } println!(); }
}

fn one() -> Credits { Credits{late:1,delay:1,lose:1,pause:1,crash:1,again:0,clear:1,power:1,release:1,write:0,total:1} }
#[test]
fn t() {
    use Start::*;
    let c = |n: &[Start], u, h, b, k| Config { begin_by: b, credits: k, ..Config::new(n, u, h) };
    show("HC total1 again write", c(&[Holder, Contender], SMALLEST, 12, 2, Credits{again:1,write:1,..one()}));
    show("HC total2", c(&[Holder, Contender], SMALLEST, 10, 1, Credits{total:2,..one()}));
    show("HC total2 again", c(&[Holder, Contender], SMALLEST, 10, 1, Credits{total:2,again:1,..one()}));
    show("CC total1 again", c(&[Contender, Contender], SMALLEST, 12, 2, Credits{again:1,..one()}));
    show("CC total2", c(&[Contender, Contender], SMALLEST, 10, 1, Credits{total:2,..one()}));
    show("DC total1 again", c(&[DeadHolder, Contender], SMALLEST, 12, 2, Credits{again:1,..one()}));
    let r = Config{tolerance:1, ..c(&[Holder, Contender], ROOMY, 16, 3, Credits{late:1,delay:1,lose:1,total:1,..Default::default()})};
    show("roomy tol 1", r);
    show("HCC none", c(&[Holder, Contender, Contender], SMALLEST, 10, 1, Credits{total:0,..one()}));
    show("HCC late", c(&[Holder, Contender, Contender], SMALLEST, 9, 1, Credits{late:1,total:1,..Default::default()}));
    show("DCC pause", c(&[DeadHolder, Contender, Contender], SMALLEST, 9, 1, Credits{pause:1,delay:1,total:1,..Default::default()}));
}
