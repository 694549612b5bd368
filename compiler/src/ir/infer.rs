//! Type rules: from an operation and the types of its operands to the type of its result.
//!
//! The builder applies them, the verifier compares with them. The bound they give is the *natural* one, which holds whatever the
//! operands are; the front end may promise a narrower one ([`super::Builder::promise`]).

use super::{ConstData, Dim, Elem, MAX_BITS, Module, Op, Receivers, Type, Vis, size_of_shape};

/// The type of the one result, `None` for operations without, or what is wrong.
///
/// Loops and branches are not handled here: their results are typed by their blocks.
pub fn infer(module: &Module, op: &Op, args: &[&Type]) -> Result<Option<Type>, String> {
    check_arity(op, args.len())?;
    rule(module, op, args).map_err(|why| format!("{}: {why}", op.name()))
}

fn check_arity(op: &Op, n: usize) -> Result<(), String> {
    let ok = match op.arity() {
        super::ops::Arity::Exactly(k) => n == k,
        super::ops::Arity::AtLeast(k) => n >= k,
    };
    if ok { Ok(()) } else { Err(format!("{}: {n} operands", op.name())) }
}

fn rule(module: &Module, op: &Op, args: &[&Type]) -> Result<Option<Type>, String> {
    let some = |t: Type| Ok(Some(t));
    match op {
        Op::Const { elem, shape, data } => constant(*elem, shape, data).map(Some),
        Op::Add {} | Op::Sub {} => {
            let (vis, shape) = elementwise(args, Elem::Num)?;
            some(Type::num(vis, &shape, widest(args) + 1))
        }
        Op::Mul {} => {
            let (vis, shape) = elementwise(args, Elem::Num)?;
            some(Type::num(vis, &shape, args[0].bits + args[1].bits))
        }
        Op::Real { .. } => {
            within(args.len() as u32, 1, 2, "operands")?;
            let (vis, shape) = elementwise(&[args[0], args[args.len() - 1]], Elem::Num)?;
            some(Type::num(vis, &shape, MAX_BITS))
        }
        Op::Neg {} => some(Type::num(args[0].vis, &num(args[0])?.shape, args[0].bits + 1)),
        Op::Shl { shift } => {
            some(Type::num(args[0].vis, &num(args[0])?.shape, args[0].bits.saturating_add(*shift)))
        }
        Op::Div {} | Op::Mod {} => {
            let (vis, shape) = elementwise(args, Elem::Num)?;
            not_secret(vis)?;
            let bits = if matches!(op, Op::Div {}) { args[0].bits + 1 } else { args[1].bits };
            some(Type::num(vis, &shape, bits))
        }
        Op::Trunc { shift } => {
            some(Type::num(num(args[0])?.vis, &args[0].shape, shifted(args[0].bits, *shift) + 1))
        }
        Op::Shr { shift } => {
            some(Type::num(num(args[0])?.vis, &args[0].shape, shifted(args[0].bits, *shift)))
        }
        Op::Wrap { k } => {
            within(*k, 1, MAX_BITS, "k")?;
            some(Type::num(num(args[0])?.vis, &args[0].shape, *k))
        }
        Op::And {} | Op::Or {} | Op::Xor {} => {
            let (vis, shape) = elementwise(args, Elem::Bit)?;
            some(Type::bit(vis, &shape))
        }
        Op::Not {} => some(Type::bit(bit(args[0])?.vis, &args[0].shape)),
        Op::Lt {} | Op::Eq {} => {
            let (vis, shape) = elementwise(args, Elem::Num)?;
            some(Type::bit(vis, &shape))
        }
        Op::Ltz {} | Op::Eqz {} => some(Type::bit(num(args[0])?.vis, &args[0].shape)),
        Op::Select {} => select(args).map(Some),
        Op::Bits { k } => {
            within(*k, 1, MAX_BITS, "k")?;
            some(Type::bit(num(args[0])?.vis, &append(&args[0].shape, *k as usize)))
        }
        Op::Compose { signed } => {
            let (rows, k) = split_last(bit(args[0])?)?;
            if k == 0 || k > MAX_BITS as usize {
                return Err(format!("{k} bits"));
            }
            some(Type::num(args[0].vis, rows, k as u32 + u32::from(!signed)))
        }
        Op::FromBit {} => some(Type::num(bit(args[0])?.vis, &args[0].shape, 2)),
        Op::Circuit { id } => {
            let circuit = module.circuits.get(*id as usize).ok_or("no such circuit")?;
            secret(bit(args[0])?)?;
            let (rows, inputs) = split_last(args[0])?;
            if inputs != circuit.input_bits() {
                return Err(format!("{inputs} bits for {}", circuit.input_bits()));
            }
            some(Type::bit(Vis::Secret, &append(rows, circuit.output_bits())))
        }
        Op::OneHot { n } => some(Type::bit(num(args[0])?.vis, &append(&args[0].shape, *n))),
        Op::Reshape { shape } => {
            if size_of_shape(shape) != tensor(args[0])?.size() {
                return Err(format!("{:?} has not the size of {shape:?}", args[0].shape));
            }
            some(args[0].with_shape(shape))
        }
        Op::View { offset, dims } => {
            view_in_bounds(tensor(args[0])?.size(), *offset, dims)?;
            some(args[0].with_shape(&sizes(dims)))
        }
        Op::Spread { shape, offset, dims } => {
            if sizes(dims).iter().product::<usize>() != num(args[0])?.size() {
                return Err(format!("axes {dims:?} for shape {:?}", args[0].shape));
            }
            view_in_bounds(size_of_shape(shape), *offset, dims)?;
            some(args[0].with_shape(shape))
        }
        Op::Concat { axis } => concat(args, *axis).map(Some),
        Op::SliceAt { dims } => {
            index(args[1])?;
            view_fits_somewhere(tensor(args[0])?.size(), dims)?;
            some(args[0].with_shape(&sizes(dims)))
        }
        Op::UpdateAt { dims } => {
            index(args[2])?;
            view_fits_somewhere(tensor(args[0])?.size(), dims)?;
            same_elem(args[0], args[1])?;
            if args[1].shape != sizes(dims) {
                return Err(format!("a value of shape {:?} for {:?}", args[1].shape, sizes(dims)));
            }
            some(Type {
                vis: join(args[0].vis, args[1].vis)?,
                bits: widest(&args[..2]),
                ..args[0].clone()
            })
        }
        Op::Gather {} => gather(args).map(Some),
        Op::Scatter {} => scatter(args).map(Some),
        Op::Sum {} | Op::CumSum {} => {
            let (rows, n) = split_last(num(args[0])?)?;
            let shape = if matches!(op, Op::Sum {}) { rows } else { &args[0].shape };
            some(Type::num(args[0].vis, shape, args[0].bits + log2_up(n)))
        }
        Op::Dot {} => {
            let vis = join(num(args[0])?.vis, num(args[1])?.vis)?;
            if args[0].shape != args[1].shape {
                return Err(format!("shapes {:?} and {:?}", args[0].shape, args[1].shape));
            }
            let (rows, n) = split_last(args[0])?;
            some(Type::num(vis, rows, args[0].bits + args[1].bits + log2_up(n)))
        }
        Op::MatMul {} => mat_mul(args).map(Some),
        Op::Contract { batch, rows, inner, cols, left, right } => {
            let vis = join(num(args[0])?.vis, num(args[1])?.vis)?;
            ascending(args[0].size(), left, [*batch, *rows, *inner])?;
            ascending(args[1].size(), right, [*batch, *inner, *cols])?;
            if *inner > args[0].size().max(args[1].size()) {
                return Err("sums are longer than the operands".into());
            }
            let bits = args[0].bits + args[1].bits + log2_up(*inner);
            some(Type::num(vis, &[*batch, *rows, *cols], bits))
        }
        Op::Random { bits, shape, .. } => {
            within(*bits, 1, MAX_BITS - 2, "bits")?;
            some(Type::num(Vis::Secret, shape, bits + 1))
        }
        Op::RandomBit { shape, .. } => some(Type::bit(Vis::Secret, shape)),
        Op::Shuffle { .. } => {
            secret(args[0])?;
            split_first(args[0])?;
            some(args[0].clone())
        }
        Op::Permute {} => permute(args).map(Some),
        Op::Places {} => {
            secret(args[0])?;
            match bit(args[0])?.shape[..] {
                [n, _] => some(Type::num(Vis::Secret, &[n], log2_up(n) + 1)),
                _ => Err(format!("rows of bits of shape {:?}", args[0].shape)),
            }
        }
        Op::Input { id } => {
            let i = module.inputs.get(*id as usize).ok_or("no such input")?;
            some(i.data.to_type(Vis::Private(i.role), &i.shape))
        }
        Op::Share {} => {
            private(args[0])?;
            some(args[0].with_vis(Vis::Secret))
        }
        Op::Publish {} => {
            private(args[0])?;
            some(args[0].with_vis(Vis::Clear))
        }
        Op::Reveal {} => {
            secret(args[0])?;
            some(args[0].with_vis(Vis::Clear))
        }
        Op::RevealTo { role } => {
            secret(args[0])?;
            known_role(module, *role)?;
            some(args[0].with_vis(Vis::Private(*role)))
        }
        Op::Lift { vis } => {
            if tensor(args[0])?.vis != Vis::Clear {
                return Err("only clear values can be lifted".into());
            }
            if let Vis::Private(role) = vis {
                known_role(module, *role)?;
            }
            some(args[0].with_vis(*vis))
        }
        Op::Output { id } => output(module, *id, args[0]).map(|()| None),
        Op::StateLoad { id } => {
            let s = module.states.get(*id as usize).ok_or("no such state")?;
            some(s.data.to_type(s.vis, &s.shape))
        }
        Op::StateStore { id } => {
            let s = module.states.get(*id as usize).ok_or("no such state")?;
            let want = s.data.to_type(s.vis, &s.shape);
            let fits =
                (args[0].elem, args[0].vis, &args[0].shape) == (want.elem, want.vis, &want.shape);
            if fits { Ok(None) } else { Err(format!("state `{}` has another type", s.name)) }
        }
        Op::IndexConst { .. } => some(Type::index()),
        Op::IndexAdd {} | Op::IndexSub {} | Op::IndexMul {} => {
            index(args[0])?;
            index(args[1])?;
            some(Type::index())
        }
        Op::IndexFromClear { .. } => {
            if num(args[0])?.vis != Vis::Clear || args[0].size() != 1 {
                return Err("one clear number expected".into());
            }
            some(Type::index())
        }
        Op::NumFromIndex {} => {
            index(args[0])?;
            some(Type::num(Vis::Clear, &[], 64))
        }
        Op::For { .. } | Op::While {} | Op::If {} => Err("typed by its blocks".into()),
    }
}

fn constant(elem: Elem, shape: &[usize], data: &ConstData) -> Result<Type, String> {
    let size = size_of_shape(shape);
    if let ConstData::Dense(xs) = data
        && xs.len() != size
    {
        return Err(format!("{} elements for shape {shape:?}", xs.len()));
    }
    match elem {
        Elem::Num => Ok(Type::num(Vis::Clear, shape, data.bits(size))),
        Elem::Bit => {
            let is_bit = |x: i128| x == 0 || x == 1;
            let ok = match data {
                ConstData::Splat(x) => is_bit(*x),
                ConstData::Dense(xs) => xs.iter().all(|x| is_bit(*x)),
                ConstData::Range { .. } => false,
            };
            if ok { Ok(Type::bit(Vis::Clear, shape)) } else { Err("a bit is 0 or 1".into()) }
        }
        Elem::Index => Err("indices have their own constant".into()),
    }
}

fn select(args: &[&Type]) -> Result<Type, String> {
    bit(args[0])?;
    tensor(args[1])?;
    same_elem(args[1], args[2])?;
    let vis = join(join(args[0].vis, args[1].vis)?, args[2].vis)?;
    let shape = common_shape(args)?;
    Ok(Type { elem: args[1].elem, vis, shape, bits: widest(&args[1..]) })
}

fn concat(args: &[&Type], axis: usize) -> Result<Type, String> {
    let first = tensor(args[0])?;
    let mut out = first.clone();
    if axis >= first.shape.len() {
        return Err(format!("axis {axis} of shape {:?}", first.shape));
    }
    out.shape[axis] = 0;
    for a in args {
        same_elem(first, a)?;
        let fits = a.shape.len() == first.shape.len()
            && (0..a.shape.len()).all(|i| i == axis || a.shape[i] == first.shape[i]);
        if !fits {
            return Err(format!("shapes {:?} and {:?} along axis {axis}", first.shape, a.shape));
        }
        out.shape[axis] = out.shape[axis].saturating_add(a.shape[axis]);
        out.vis = join(out.vis, a.vis)?;
    }
    out.bits = widest(args);
    Ok(out)
}

fn gather(args: &[&Type]) -> Result<Type, String> {
    let (_, row) = split_first(args[0])?;
    clear_vector(args[1])?;
    let mut shape = vec![args[1].size()];
    shape.extend(row);
    Ok(args[0].with_shape(&shape))
}

fn scatter(args: &[&Type]) -> Result<Type, String> {
    let (n, _) = split_first(args[0])?;
    not_secret(num(args[1])?.vis)?;
    if args[1].shape != [n] {
        return Err(format!("{n} rows and a permutation of shape {:?}", args[1].shape));
    }
    Ok(args[0].with_vis(join(args[0].vis, args[1].vis)?))
}

fn mat_mul(args: &[&Type]) -> Result<Type, String> {
    let vis = join(num(args[0])?.vis, num(args[1])?.vis)?;
    match (&args[0].shape[..], &args[1].shape[..]) {
        (&[m, k], &[k2, n]) if k == k2 => {
            Ok(Type::num(vis, &[m, n], args[0].bits + args[1].bits + log2_up(k)))
        }
        (a, b) => Err(format!("shapes {a:?} and {b:?}")),
    }
}

fn permute(args: &[&Type]) -> Result<Type, String> {
    let (n, _) = split_first(args[0])?;
    if num(args[1])?.shape != [n] {
        return Err(format!("{n} rows and a permutation of shape {:?}", args[1].shape));
    }
    Ok(args[0].with_vis(join(args[0].vis, args[1].vis)?))
}

fn output(module: &Module, id: u32, arg: &Type) -> Result<(), String> {
    let out = module.outputs.get(id as usize).ok_or("no such output")?;
    let want = out.data.to_type(arg.vis, &out.shape);
    if (arg.elem, &arg.shape) != (want.elem, &want.shape) {
        return Err(format!("output `{}` has another type", out.name));
    }
    match (&out.receivers, arg.vis) {
        (_, Vis::Clear) => Ok(()),
        (Receivers::Roles(roles), Vis::Private(r)) if roles.contains(&r) => Ok(()),
        _ => Err("a value that its receivers do not know".into()),
    }
}

/// What two values of these visibilities make together.
pub fn join(a: Vis, b: Vis) -> Result<Vis, String> {
    match (a, b) {
        (x, y) if x == y => Ok(x),
        (Vis::Clear, x) | (x, Vis::Clear) => Ok(x),
        _ => Err("values of two owners, or a private and a secret one: share first".into()),
    }
}

/// The shape of an element-wise result.
pub fn common_shape(args: &[&Type]) -> Result<Vec<usize>, String> {
    let mut best: &Type = args[0];
    for a in &args[1..] {
        if best.size() == 1 && (a.size() != 1 || a.shape.len() > best.shape.len()) {
            best = a;
        }
    }
    match args.iter().find(|a| a.shape != best.shape && a.size() != 1) {
        Some(a) => Err(format!("shapes {:?} and {:?}", best.shape, a.shape)),
        None => Ok(best.shape.clone()),
    }
}

/// ⌈log2 n⌉, 0 for n < 2.
pub fn log2_up(n: usize) -> u32 {
    if n < 2 { 0 } else { usize::BITS - (n - 1).leading_zeros() }
}

/// Sizes of the axes of a view.
pub fn sizes(dims: &[Dim]) -> Vec<usize> {
    dims.iter().map(|d| d.size).collect()
}

/// Lowest and highest element of a view, relative to its offset; `None` when it is empty.
pub fn view_span(dims: &[Dim]) -> Option<(i128, i128)> {
    let mut span = (0i128, 0i128);
    for d in dims {
        let last = d.size.checked_sub(1)? as i128;
        let reach = last.saturating_mul(d.stride as i128);
        if reach < 0 {
            span.0 = span.0.saturating_add(reach)
        } else {
            span.1 = span.1.saturating_add(reach)
        }
    }
    Some(span)
}

fn view_in_bounds(size: usize, offset: i64, dims: &[Dim]) -> Result<(), String> {
    match view_span(dims) {
        Some((lo, hi))
            if (offset as i128).saturating_add(lo) < 0
                || (offset as i128).saturating_add(hi) >= size as i128 =>
        {
            Err(format!("offset {offset} and axes {dims:?} leave the {size} elements"))
        }
        _ => Ok(()),
    }
}

/// A view from the first element on that goes forwards, in three parts of whole axes.
fn ascending(size: usize, dims: &[Dim], parts: [usize; 3]) -> Result<(), String> {
    view_in_bounds(size, 0, dims)?;
    let pairs = dims.iter().map(|d| (d.size as u64, d.stride)).collect();
    let whole = mpc_bytecode::Dims(pairs).split(parts.map(|n| n as u64)).is_some();
    let forwards = dims.iter().all(|d| d.size <= 1 || d.stride >= 0);
    if whole && forwards { Ok(()) } else { Err(format!("axes {dims:?} for {parts:?}")) }
}

fn view_fits_somewhere(size: usize, dims: &[Dim]) -> Result<(), String> {
    match view_span(dims) {
        Some((lo, hi)) if hi.saturating_sub(lo) >= size as i128 => {
            Err(format!("axes {dims:?} are longer than the {size} elements"))
        }
        _ => Ok(()),
    }
}

fn elementwise(args: &[&Type], elem: Elem) -> Result<(Vis, Vec<usize>), String> {
    if let Some(a) = args.iter().find(|a| a.elem != elem) {
        return Err(format!("{elem:?} expected, found {:?}", a.elem));
    }
    Ok((join(args[0].vis, args[1].vis)?, common_shape(args)?))
}

fn widest(args: &[&Type]) -> u32 {
    args.iter().map(|a| a.bits).max().unwrap_or(1)
}

fn shifted(bits: u32, shift: u32) -> u32 {
    bits.saturating_sub(shift).max(1)
}

fn append(shape: &[usize], n: usize) -> Vec<usize> {
    shape.iter().copied().chain([n]).collect()
}

fn split_last(t: &Type) -> Result<(&[usize], usize), String> {
    t.shape
        .split_last()
        .map(|(&n, rows)| (rows, n))
        .ok_or_else(|| "a scalar has no last axis".into())
}

fn split_first(t: &Type) -> Result<(usize, &[usize]), String> {
    tensor(t)?
        .shape
        .split_first()
        .map(|(&n, row)| (n, row))
        .ok_or_else(|| "a scalar has no rows".into())
}

fn expect(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(format!("{what} expected")) }
}

fn num(t: &Type) -> Result<&Type, String> {
    expect(t.elem == Elem::Num, "numbers").map(|()| t)
}

fn bit(t: &Type) -> Result<&Type, String> {
    expect(t.elem == Elem::Bit, "bits").map(|()| t)
}

fn tensor(t: &Type) -> Result<&Type, String> {
    expect(t.elem != Elem::Index, "numbers or bits").map(|()| t)
}

fn index(t: &Type) -> Result<(), String> {
    expect(t.elem == Elem::Index, "an index")
}

fn same_elem(a: &Type, b: &Type) -> Result<(), String> {
    expect(a.elem == b.elem, "elements of one kind")
}

fn secret(t: &Type) -> Result<(), String> {
    expect(t.is_secret(), "a secret value")
}

fn private(t: &Type) -> Result<(), String> {
    expect(matches!(t.vis, Vis::Private(_)), "a private value")
}

fn not_secret(vis: Vis) -> Result<(), String> {
    expect(vis != Vis::Secret, "a clear or private value")
}

fn clear_vector(t: &Type) -> Result<(), String> {
    expect(
        t.elem == Elem::Num && t.vis == Vis::Clear && t.shape.len() == 1,
        "a vector of clear numbers",
    )
}

fn known_role(module: &Module, role: u32) -> Result<(), String> {
    expect((role as usize) < module.roles.len(), "a declared role")
}

fn within(x: u32, lo: u32, hi: u32, what: &str) -> Result<(), String> {
    expect((lo..=hi).contains(&x), &format!("{what} in {lo}..={hi}"))
}
