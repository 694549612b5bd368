//! Random graphs: printed and read back, put through every pass, emitted and emulated. The interpreter says what is right.
//!
//! `SEED=n cargo test -p mpc-tests --test random_graphs` repeats one case.

use std::collections::BTreeMap;

use mpc_bytecode::Program;
use mpc_compiler::emit::emit;
use mpc_compiler::ir::interpret::{Data, Options, interpret};
use mpc_compiler::ir::print::print;
use mpc_compiler::ir::read::read;
use mpc_compiler::ir::verify::verify;
use mpc_compiler::ir::{
    Builder, DataType, Dim, Elem, InputDecl, Module, OutputDecl, Receivers, StateDecl, Type, Value,
    Vis,
};
use mpc_compiler::passes::{Kind, Level, PASSES, optimise, run_pass};
use mpc_vm::emulate;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<T: Copy>(&mut self, xs: &[T]) -> T {
        xs[self.below(xs.len())]
    }
}

const SHAPES: &[&[usize]] = &[&[], &[4], &[2, 3], &[3, 2], &[1], &[2, 1, 3], &[6]];

struct Gen {
    rng: Rng,
    b: Builder,
    /// Values in scope.
    pool: Vec<Value>,
    indices: Vec<Value>,
    depth: usize,
    states: Vec<u32>,
}

impl Gen {
    fn shape(&mut self) -> Vec<usize> {
        self.rng.pick(SHAPES).to_vec()
    }

    fn find(&mut self, want: impl Fn(&Type) -> bool) -> Option<Value> {
        let fits: Vec<Value> = self.pool.iter().copied().filter(|&v| want(self.b.ty(v))).collect();
        (!fits.is_empty()).then(|| self.rng.pick(&fits))
    }

    fn num(&mut self) -> Value {
        match self.find(|t| t.elem == Elem::Num) {
            Some(v) => v,
            None => self.constant(),
        }
    }

    fn bit(&mut self) -> Value {
        match self.find(|t| t.elem == Elem::Bit) {
            Some(v) => v,
            None => {
                let a = self.num();
                self.b.ltz(a)
            }
        }
    }

    fn constant(&mut self) -> Value {
        let shape = self.shape();
        let n = shape.iter().product();
        match self.rng.below(3) {
            0 => {
                let x = self.rng.pick(&[0, 1, -1, 2, 65536, 12345, -77]);
                self.b.splat(x, &shape)
            }
            1 => {
                let xs = (0..n).map(|_| (self.rng.next() as i8).into()).collect();
                self.b.dense(xs, &shape)
            }
            _ => {
                let flat = self.b.range(-3, 2, n);
                self.b.reshape(flat, &shape)
            }
        }
    }

    /// Another operand for an element-wise operation with `a`.
    fn mate(&mut self, a: Value) -> Value {
        let ty = self.b.ty(a).clone();
        let mate = self.find(|t| {
            t.elem == ty.elem
                && (t.shape == ty.shape || t.size() == 1 && t.shape.len() <= ty.shape.len())
        });
        mate.unwrap_or(a)
    }

    /// Values that may meet: private ones are shared when secret ones are there.
    fn meet(&mut self, values: &[Value]) -> Vec<Value> {
        let secret = values.iter().any(|&v| self.b.ty(v).is_secret());
        let share = |g: &mut Gen, v: Value| match g.b.ty(v).vis {
            Vis::Private(_) if secret => g.b.share(v),
            _ => v,
        };
        values.iter().map(|&v| share(self, v)).collect()
    }

    fn narrow(&mut self, v: Value, bits: u32) -> Value {
        if self.b.ty(v).bits <= bits {
            return v;
        }
        match self.rng.below(3) {
            0 => {
                let over = self.b.ty(v).bits - bits;
                self.b.shr(v, over)
            }
            1 if self.b.ty(v).bits > bits + 1 => {
                let over = self.b.ty(v).bits - bits + 1;
                self.b.trunc(v, over)
            }
            _ => self.b.wrap(v, bits),
        }
    }

    fn keep(&mut self, v: Value) {
        let ty = self.b.ty(v).clone();
        let v = if ty.elem == Elem::Num && ty.bits > 60 { self.narrow(v, 32) } else { v };
        self.pool.push(v);
    }

    fn scalar(&mut self) -> Value {
        match self.find(|t| t.elem == Elem::Num && t.size() == 1 && t.vis != Vis::Private(0)) {
            Some(v) => self.b.reshape(v, &[]),
            None => self.b.constant(5),
        }
    }

    fn index(&mut self, bound: usize) -> Value {
        if !self.indices.is_empty() && self.rng.below(3) > 0 {
            // Loop variables run in 0..3.
            let i = self.rng.pick(&self.indices.clone());
            if bound >= 3 {
                return i;
            }
        }
        let i = self.rng.below(bound) as i64;
        self.b.index_const(i)
    }

    fn step(&mut self) {
        let op = self.rng.below(if self.depth < 2 { 44 } else { 40 });
        let v = match op {
            0..=2 => {
                let a = self.num();
                let b = self.mate(a);
                let ab = self.meet(&[a, b]);
                match op {
                    0 => self.b.add(ab[0], ab[1]),
                    1 => self.b.sub(ab[0], ab[1]),
                    _ => self.b.sub(ab[1], ab[0]),
                }
            }
            3..=5 => {
                let a = self.num();
                let b = self.mate(a);
                let ab = self.meet(&[a, b]);
                let (a, b) = (self.narrow(ab[0], 40), self.narrow(ab[1], 40));
                self.b.mul(a, b)
            }
            6 => {
                let a = self.num();
                self.b.neg(a)
            }
            7 => {
                let a = self.num();
                let by = self.rng.below(20) as u32;
                self.b.shl(a, by)
            }
            8 | 9 => {
                let a = self.num();
                let by = 1 + self.rng.below(20) as u32;
                if op == 8 { self.b.trunc(a, by) } else { self.b.shr(a, by) }
            }
            10 => {
                let a = self.num();
                let k = 8 + self.rng.below(40) as u32;
                self.b.wrap(a, k)
            }
            11 | 12 => {
                let a = self.num();
                let b = self.mate(a);
                let ab = self.meet(&[a, b]);
                if op == 11 { self.b.lt(ab[0], ab[1]) } else { self.b.eq(ab[1], ab[0]) }
            }
            13 => {
                let a = self.num();
                self.b.ltz(a)
            }
            14 => {
                let a = self.num();
                self.b.eqz(a)
            }
            15 | 16 => {
                let a = if op == 15 { self.num() } else { self.bit() };
                let b = self.mate(a);
                let shape = self.b.shape(a).to_vec();
                let Some(c) =
                    self.find(|t| t.elem == Elem::Bit && (t.shape == shape || t.shape.is_empty()))
                else {
                    return;
                };
                let abc = self.meet(&[c, a, b]);
                self.b.select(abc[0], abc[1], abc[2])
            }
            17 | 18 => {
                let a = self.bit();
                let b = self.mate(a);
                let ab = self.meet(&[a, b]);
                match self.rng.below(3) {
                    0 => self.b.and(ab[0], ab[1]),
                    1 => self.b.or(ab[0], ab[1]),
                    _ => self.b.xor(ab[0], ab[1]),
                }
            }
            19 => {
                let a = self.bit();
                self.b.not(a)
            }
            20 => {
                let a = self.bit();
                self.b.from_bit(a)
            }
            21 => {
                let a = self.num();
                let bits = self.b.bits(a, 6);
                let signed = self.rng.below(2) == 0;
                self.b.compose(bits, signed)
            }
            22 => {
                let a = self.scalar();
                self.b.one_hot(a, 4)
            }
            23 => {
                let a = if self.rng.below(3) == 0 { self.bit() } else { self.num() };
                let order: Vec<usize> = (0..self.b.shape(a).len()).rev().collect();
                self.b.transpose(a, &order)
            }
            24 => {
                let a = if self.rng.below(3) == 0 { self.bit() } else { self.num() };
                let axes: Vec<(usize, usize, i64)> = self
                    .b
                    .shape(a)
                    .iter()
                    .map(|&d| if d > 1 { (d - 1, d - 1, -1) } else { (0, d, 1) })
                    .collect();
                self.b.slice(a, &axes)
            }
            25 => {
                let a = self.scalar();
                let shape = self.shape();
                self.b.broadcast(a, &shape)
            }
            26 | 27 => {
                let a = if self.rng.below(3) == 0 { self.bit() } else { self.num() };
                let ty = self.b.ty(a).clone();
                if ty.shape.is_empty() || ty.size() > 40 {
                    return;
                }
                let b = self.find(|t| t.elem == ty.elem && t.shape == ty.shape).unwrap_or(a);
                let axis = self.rng.below(ty.shape.len());
                let ab = self.meet(&[a, b, a]);
                self.b.concat(&ab, axis)
            }
            28 => {
                let a = self.num();
                let size = self.b.ty(a).size();
                let flat = self.b.reshape(a, &[size]);
                let at = self.index(size);
                self.b.slice_at(flat, at, &[Dim { size: 1, stride: 1 }])
            }
            29 | 30 => {
                let Some(a) =
                    self.find(|t| t.elem == Elem::Num && t.shape.len() == 2 && t.shape[0] >= 2)
                else {
                    return;
                };
                let (rows, cols) = (self.b.shape(a)[0], self.b.shape(a)[1]);
                let (n, dims, bound) = if op == 29 {
                    (cols, [Dim { size: cols, stride: 1 }], rows)
                } else {
                    (rows, [Dim { size: rows, stride: cols as i64 }], cols)
                };
                let v = self.find(|t| t.elem == Elem::Num && t.shape == [n]);
                let v = v.unwrap_or_else(|| self.b.splat(9, &[n]));
                let av = self.meet(&[a, v]);
                let i = self.index(bound);
                let at = if op == 29 { self.b.offset_of(av[0], &[i]) } else { i };
                if self.rng.below(3) == 0 {
                    self.b.slice_at(av[0], at, &dims)
                } else {
                    self.b.update_at(av[0], av[1], at, &dims)
                }
            }
            31 => {
                let Some(a) = self.find(|t| t.elem == Elem::Num && !t.shape.is_empty()) else {
                    return;
                };
                match self.rng.below(3) {
                    0 => self.b.cum_sum(a),
                    _ => self.b.sum(a),
                }
            }
            32 => {
                let a = self.num();
                let size = self.b.ty(a).size();
                let shape = self.rng.pick(&[[1, size], [size, 1]]);
                let a = self.narrow(a, 30);
                let x = self.b.reshape(a, &shape);
                if self.rng.below(2) == 0 {
                    // Pairs of neighbours times the first pair.
                    let (inner, dim) = (size.min(2), |size, stride| Dim { size, stride });
                    let cols = size + 1 - inner;
                    let right = [dim(inner, 1), dim(cols, 1)];
                    let sizes = [1, 1, inner, cols];
                    let sums = self.b.contract(x, a, sizes, &[dim(inner, 1)], &right);
                    self.b.spread(sums, &[2 * cols], 1, &[dim(cols, 2)])
                } else {
                    let y = self.b.transpose(x, &[1, 0]);
                    self.b.mat_mul(x, y)
                }
            }
            33 => {
                let Some(a) = self.find(|t| t.elem == Elem::Num && !t.shape.is_empty()) else {
                    return;
                };
                let shape = self.b.shape(a).to_vec();
                let b = self.find(|t| t.elem == Elem::Num && t.shape == shape).unwrap_or(a);
                let ab = self.meet(&[a, b]);
                let (a, b) = (self.narrow(ab[0], 30), self.narrow(ab[1], 30));
                if self.rng.below(2) == 0 {
                    self.b.dot(a, b)
                } else {
                    let p = self.b.mul(a, b);
                    self.b.sum(p)
                }
            }
            34 => {
                let Some(a) =
                    self.find(|t| t.elem != Elem::Index && t.shape.first().is_some_and(|&d| d > 1))
                else {
                    return;
                };
                let rows = self.b.shape(a)[0];
                let mut order: Vec<i128> = (0..rows as i128).collect();
                (1..rows).for_each(|i| order.swap(i, self.rng.below(i + 1)));
                let p = self.b.dense(order, &[rows]);
                match self.rng.below(3) {
                    0 => self.b.gather(a, p),
                    1 => self.b.scatter(a, p),
                    _ if matches!(self.b.ty(a).vis, Vis::Private(_)) => return,
                    _ => {
                        let p = self.b.lift(p, Vis::Secret);
                        self.b.permute(a, p)
                    }
                }
            }
            35 => {
                let rows = |t: &Type| t.is_secret() && t.elem == Elem::Bit && t.shape.len() == 2;
                if self.rng.below(3) == 0
                    && let Some(a) = self.find(rows)
                {
                    let places = self.b.places(a);
                    return self.keep(places);
                }
                let Some(a) = self.find(Type::is_secret) else { return };
                if self.rng.below(2) == 0 { self.b.reveal(a) } else { self.b.reveal_to(a, 0) }
            }
            36 => {
                let Some(a) = self.find(|t| t.vis == Vis::Clear && t.elem != Elem::Index) else {
                    return;
                };
                self.b.lift(a, Vis::Secret)
            }
            37 => self.constant(),
            38 => {
                let Some(a) = self.find(|t| t.elem == Elem::Num && t.vis != Vis::Secret) else {
                    return;
                };
                let by = self.b.constant(7);
                if self.rng.below(2) == 0 { self.b.div(a, by) } else { self.b.modulo(a, by) }
            }
            39 => {
                let id = self.rng.pick(&self.states.clone());
                if self.rng.below(2) == 0 {
                    self.b.state_load(id)
                } else {
                    let Some(a) = self.find(|t| {
                        t.elem == Elem::Num && t.shape == [4] && t.vis != Vis::Private(0)
                    }) else {
                        return;
                    };
                    let a = self.narrow(a, 32);
                    let a = if self.b.module().states[id as usize].vis == Vis::Clear
                        && self.b.ty(a).is_secret()
                    {
                        self.b.reveal(a)
                    } else {
                        a
                    };
                    self.b.state_store(id, a);
                    return;
                }
            }
            40 => return self.branch(),
            41 => return self.while_loop(),
            _ => return self.for_loop(),
        };
        self.keep(v);
    }

    /// Values of a few types to be carried, with their types: 32 bits, secret or not.
    fn carried(&mut self) -> (Vec<Value>, Vec<Type>) {
        let n = 1 + self.rng.below(3);
        let values: Vec<Value> = (0..n)
            .map(|_| {
                let v = self.num();
                let v = if self.b.ty(v).vis == Vis::Private(0) { self.b.share(v) } else { v };
                self.narrow(v, 32)
            })
            .collect();
        let vis =
            |g: &mut Gen, v: Value| if g.rng.below(3) > 0 { Vis::Secret } else { g.b.ty(v).vis };
        let types = values.iter().map(|&v| {
            let vis = vis(self, v);
            Type::num(vis, &self.b.ty(v).shape, 32)
        });
        let types = types.collect();
        (values, types)
    }

    /// Values of the given types at the end of a body.
    fn next_of(&mut self, types: &[Type]) -> Vec<Value> {
        let next = types.iter().map(|t| {
            let found = self.find(|u| {
                u.elem == t.elem && u.shape == t.shape && (u.vis == t.vis || u.vis == Vis::Clear)
            });
            let v = found.expect("the parameter itself fits");
            self.narrow(v, 32)
        });
        next.collect()
    }

    fn steps(&mut self, n: usize) {
        self.depth += 1;
        (0..n).for_each(|_| self.step());
        self.depth -= 1;
    }

    fn for_loop(&mut self) {
        let (init, types) = self.carried();
        let (lo, hi, by) =
            self.rng.pick(&[(0, 3, 1), (0, 3, 2), (2, -1, -1), (2, 2, 1), (1, 3, 1)]);
        let lo = if lo == 0 && !self.indices.is_empty() && self.rng.below(2) == 0 {
            self.indices[0]
        } else {
            self.b.index_const(lo)
        };
        let hi = self.b.index_const(hi);
        let mark = (self.pool.len(), self.indices.len());
        let (i, params) = self.b.begin_for(lo, hi, by, &init, &types);
        self.pool.extend(params);
        self.indices.push(i);
        let number = self.b.num_from_index(i);
        self.pool.push(number);
        let n = 1 + self.rng.below(8);
        self.steps(n);
        let next = self.next_of(&types);
        self.pool.truncate(mark.0);
        self.indices.truncate(mark.1);
        let results = self.b.end_for(&next);
        self.pool.extend(results);
    }

    fn while_loop(&mut self) {
        let (mut init, mut types) = self.carried();
        init.insert(0, self.b.constant(0));
        types.insert(0, Type::num(Vis::Clear, &[], 32));
        let mark = self.pool.len();
        let params = self.b.begin_while(&init, &types);
        let bound = self.b.constant(3);
        let go = self.b.lt(params[0], bound);
        let params = self.b.begin_while_body(go);
        self.pool.extend(&params[1..]);
        let one = self.b.constant(1);
        let n = self.b.add(params[0], one);
        let steps = 1 + self.rng.below(6);
        self.steps(steps);
        let mut next = self.next_of(&types[1..]);
        next.insert(0, n);
        self.pool.truncate(mark);
        let results = self.b.end_while(&next);
        self.pool.extend(&results[1..]);
    }

    fn branch(&mut self) {
        let Some(c) = self.find(|t| t.elem == Elem::Bit && t.vis == Vis::Clear && t.size() == 1)
        else {
            return;
        };
        let (values, types) = self.carried();
        self.pool.extend(values);
        let mark = self.pool.len();
        self.b.begin_if(c);
        self.steps(3);
        let then = self.next_of(&types);
        self.pool.truncate(mark);
        self.b.begin_else(&then);
        self.steps(3);
        let other = self.next_of(&types);
        self.pool.truncate(mark);
        let results = self.b.end_if(&other);
        self.pool.extend(results);
    }
}

fn generate(seed: u64) -> (Module, Data) {
    let mut g = Gen {
        rng: Rng(seed),
        b: Builder::new(),
        pool: Vec::new(),
        indices: Vec::new(),
        depth: 0,
        states: Vec::new(),
    };
    let role = g.b.role("alice");
    let mut inputs = Data::new();
    for (name, vis) in [("s", Vis::Secret), ("w", Vis::Clear)] {
        g.states.push(g.b.state_decl(StateDecl {
            name: name.into(),
            data: DataType::Int(32),
            shape: vec![4],
            vis,
        }));
    }
    let decls: Vec<u32> = (0..4)
        .map(|i| {
            let shape = g.shape();
            let data = if i == 3 { DataType::Bool } else { DataType::Int(32) };
            let id = g.b.input_decl(InputDecl {
                name: format!("x{i}"),
                role,
                data,
                shape: shape.clone(),
                vis: Vis::Secret,
            });
            let n: usize = shape.iter().product();
            let element = |g: &mut Gen| match data {
                DataType::Bool => (g.rng.next() & 1) as i128,
                _ => g.rng.next() as i32 as i128 >> g.rng.below(32),
            };
            inputs.insert(id, (0..n).map(|_| element(&mut g)).collect());
            id
        })
        .collect();
    g.b.begin_entry("main");
    for id in decls {
        let v = g.b.input(id);
        let v = if g.rng.below(4) == 0 { v } else { g.b.share(v) };
        g.pool.push(v);
    }
    let n = 5 + g.rng.below(40);
    (0..n).for_each(|_| g.step());
    for i in 0..6 {
        let Some(v) = g.find(|t| t.elem != Elem::Index) else { break };
        let v = if g.b.ty(v).elem == Elem::Num { g.narrow(v, 60) } else { v };
        let ty = g.b.ty(v).clone();
        let data = if ty.elem == Elem::Bit { DataType::Bool } else { DataType::Int(60) };
        let id = g.b.output_decl(OutputDecl {
            name: format!("y{i}"),
            data,
            shape: ty.shape,
            receivers: Receivers::Roles(vec![0]),
        });
        let v = match ty.vis {
            Vis::Secret => g.b.reveal_to(v, 0),
            _ => v,
        };
        g.b.output(id, v);
    }
    g.b.end_entry();
    (g.b.finish(), inputs)
}

/// Outputs and states after a run.
fn run(module: &Module, inputs: &Data) -> (Data, Data) {
    let mut states = Data::from([(0, vec![1, 2, 3, 4]), (1, vec![-5, 6, 7, -8])]);
    let out = interpret(
        module,
        &module.entries[0],
        inputs,
        &mut states,
        Options { seed: 1, ..Options::default() },
    );
    (out.unwrap_or_else(|fault| panic!("{fault:?}\n{}", print(module))), states)
}

fn run_bytecode(module: &Module, inputs: &Data) -> (Data, Data) {
    let program = emit(module);
    if let Err(why) = Program::load(&program.encode()) {
        panic!("{why}\n{}\n{}", print(module), program.disassemble());
    }
    let mut states = BTreeMap::from([(0, vec![1, 2, 3, 4]), (1, vec![-5, 6, 7, -8])]);
    let given: Vec<Option<Vec<i128>>> =
        (0..module.inputs.len() as u32).map(|i| inputs.get(&i).cloned()).collect();
    let options = emulate::Options { checked: true, max_steps: 1_000_000, ..Default::default() };
    let outcome = emulate::emulate(&program, 0, &given, &mut states, options);
    let outcome = outcome
        .unwrap_or_else(|why| panic!("{why:?}\n{}\n{}", print(module), program.disassemble()));
    assert!(
        outcome.findings.is_empty(),
        "{:?}\n{}\n{}",
        outcome.findings,
        print(module),
        program.disassemble()
    );
    (outcome.outputs.into_iter().map(|(id, x)| (id as u32, x)).collect(), states)
}

fn case(seed: u64) {
    let (module, inputs) = generate(seed);
    verify(&module).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{}", print(&module)));
    let text = print(&module);
    assert!(read(&text).as_ref() == Ok(&module), "seed {seed}: {:?}\n{text}", read(&text).err());
    let want = run(&module, &inputs);
    for pass in PASSES {
        let mut after = module.clone();
        run_pass(pass, &mut after);
        if pass.kind == Kind::Exact {
            assert_eq!(
                run(&after, &inputs),
                want,
                "seed {seed}, pass {}\n{text}\n{}",
                pass.name,
                print(&after)
            );
        }
    }
    assert_eq!(
        run_bytecode(&module, &inputs),
        want,
        "seed {seed}, emitted\n{text}\n{}",
        emit(&module).disassemble()
    );
    let mut fast = module.clone();
    optimise(&mut fast, Level::Full);
    assert_eq!(
        run_bytecode(&fast, &inputs),
        run(&fast, &inputs),
        "seed {seed}, numeric and emitted\n{text}"
    );
    let mut best = module.clone();
    optimise(&mut best, Level::Exact);
    assert_eq!(run(&best, &inputs), want, "seed {seed}, optimised\n{text}\n{}", print(&best));
    let got = run_bytecode(&best, &inputs);
    assert_eq!(
        got,
        want,
        "seed {seed}, optimised and emitted\n{}\n{}",
        print(&best),
        emit(&best).disassemble()
    );
}

#[test]
fn random_graphs_mean_the_same_at_every_stage() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|s| s.parse().ok()) {
        return case(seed);
    }
    let cases = std::env::var("CASES").ok().and_then(|s| s.parse().ok()).unwrap_or(500);
    for seed in 0..cases {
        if std::panic::catch_unwind(|| case(seed)).is_err() {
            panic!("SEED={seed} repeats this");
        }
    }
}
