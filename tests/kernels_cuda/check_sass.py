#!/usr/bin/env python3
"""Holds the compiled kernels to a table: registers, spills, shared memory, occupancy, 128-bit accesses.

    check_sass.py --table sass_table.json OBJECT...            compare; exit 0, 1 (differs) or 77 (no tool)
    check_sass.py --table sass_table.json --update OBJECT...   write what the objects have into the table

Needs cuobjdump, and nvdisasm for the 128-bit accesses: from the CUDA toolkit, from where
tools/fetch_cuda_tools.sh puts them, or from PyPI's nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm. An architecture of the table that the objects lack is
skipped; one that the table lacks, or a kernel, is an error.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig

SKIPPED = 77

# Kernels whose global loads (L), stores (S) are promised to be 128 bits wide.
PROMISED = {
    "add_row_losses_kernel": "",
    "advance_kernel": "",
    "bias_relu_kernel": "LS",
    "bias_relu_max_pool_kernel": "LS",
    "cast_features_kernel": "S",
    "column_sums_kernel": "",
    "compiled_code_kernel": "",
    "empty_kernel": "",
    "copy_peak_kernel": "LS",
    "blocking_kernel": "",
    "gather_rows_kernel": "LS",
    "global_pool_kernel": "",
    "mean_logits_kernel": "",
    "multiply_add_peak_kernel": "",
    "preprocess_kernel": "LS",
    "relu_dropout_backward_kernel": "LS",
    "relu_dropout_kernel": "LS",
    "rmsprop_kernel": "LS",
    "sigmoid_cross_entropy_kernel": "",
    "sigmoid_probabilities_kernel": "",
    "softmax_cross_entropy_kernel": "",
    "softmax_probabilities_kernel": "",
    "tensor_core_peak_kernel": "",
    "wgmma_peak_kernel": "",
}

# Kernels that measure arithmetic, with the instruction and how often it is in the unrolled loop at
# least: fewer mean that the compiler found a way around the work.
ARITHMETIC = {
    "multiply_add_peak_kernel": ("FFMA", 16 * 8),
    "tensor_core_peak_kernel": ("HMMA", 4 * 8),
    "wgmma_peak_kernel": ("HGMMA", 3),  # of 4: the last one's result is waited for
}
# That architecture has no such instruction, and the kernel is not launched there.
WITHOUT_ARITHMETIC = {("tensor_core_peak_kernel<bf16>", "sm_75"), ("tensor_core_peak_kernel<float>", "sm_75")}

# Of a multiprocessor: warps, blocks, KiB of shared memory, KiB that a block's share has on top.
# CUDA C++ Programming Guide, "Compute Capabilities". Each has 65536 registers in four parts.
LIMITS = {
    "sm_75": (32, 16, 64, 0),
    "sm_80": (64, 32, 164, 1),
    "sm_86": (48, 16, 100, 1),
    "sm_89": (48, 24, 100, 1),
    "sm_90": (64, 32, 228, 1),
    "sm_90a": (64, 32, 228, 1),
    "sm_100": (64, 32, 228, 1),
    "sm_120": (48, 24, 100, 1),
}


def occupancy(arch, registers, shared, threads):
    """Percent of a multiprocessor's warps that can be resident at once."""
    most_warps, most_blocks, shared_kib, reserved_kib = LIMITS[arch]
    warps = -(-threads // 32)
    per_warp = -(-max(registers, 1) * 32 // 256) * 256
    by_registers = 16384 // per_warp * 4 // warps
    share = shared + 1024 * reserved_kib
    by_shared = shared_kib * 1024 // share if share else most_blocks
    blocks = min(most_blocks, most_warps // warps, by_registers, by_shared)
    return 100 * blocks * warps // most_warps


def readable(mangled):
    """A mangled kernel's name and template arguments: rmsprop_kernel<true>."""
    match = re.search(r"([a-z][a-z_]*_kernel)(.*)", mangled)
    if match is None:
        return mangled
    name, rest = match.groups()
    if not rest.startswith("I"):
        return name
    words = {"f": "float", "6__half": "half", "13__nv_bfloat16": "bf16", "Lb0E": "false", "Lb1E": "true"}
    arguments = []
    rest = rest[1:]
    while rest and not rest.startswith("E"):
        number = re.match(r"Lj(\d+)E", rest)
        token = number.group(0) if number else next((w for w in words if rest.startswith(w)), None)
        if token is None:
            return mangled
        arguments.append(number.group(1) if number else words[token])
        rest = rest[len(token):]
    return f"{name}<{', '.join(arguments)}>"


def parse_usage(text):
    """{(kernel, arch): {registers, stack, shared, local}} of cuobjdump --dump-resource-usage."""
    found, arch, kernel = {}, None, None
    for line in text.splitlines():
        if match := re.match(r"arch = (sm_\d+a?)", line):
            arch = match.group(1)
        elif match := re.match(r"\s*Function (\w+):", line):
            kernel = readable(match.group(1))
        elif match := re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line):
            names = ("registers", "stack", "shared", "local")
            found[kernel, arch] = dict(zip(names, map(int, match.groups())))
    return found


def parse_sass(text):
    """{(kernel, arch): {loads128, stores128, spills, FFMA, HMMA, HGMMA}} of cuobjdump -sass."""
    found, arch, counts = {}, None, None
    for line in text.splitlines():
        if match := re.match(r"arch = (sm_\d+a?)", line):
            arch = match.group(1)
        elif match := re.match(r"\s*Function : (\w+)", line):
            counts = found[readable(match.group(1)), arch] = dict.fromkeys(
                ("loads128", "stores128", "spills", "FFMA", "HMMA", "HGMMA"), 0)
        elif counts is not None:
            counts["loads128"] += bool(re.search(r"\bLDG\.E(\.\w+)*\.128\b", line))
            counts["stores128"] += bool(re.search(r"\bSTG\.E(\.\w+)*\.128\b", line))
            for name in ("FFMA", "HMMA", "HGMMA"):  # not one that is waited for, by a scoreboard
                counts[name] += bool(re.search(rf"\b{name}\b(?!.*\bgsb)", line))
            counts["spills"] += bool(re.search(r"\b(LDL|STL)\b", line))
    return found


def parse_threads(text):
    """{kernel: threads of a block} of cuobjdump -ptx, from __launch_bounds__."""
    pattern = r"\.entry (\w+)\([^)]*\)\s*\.maxntid (\d+)"
    return {readable(name): int(threads) for name, threads in re.findall(pattern, text)}


def rows_of(usage, sass, threads):
    """{kernel: {arch: row}}, and what is wrong whatever the table says. sass: None without nvdisasm."""
    rows, wrong = {}, []
    for (kernel, arch), use in sorted(usage.items()):
        where = f"{kernel} on {arch}"
        promised = PROMISED.get(kernel.split("<")[0])
        if promised is None or kernel not in threads:
            wrong.append(f"{where}: check_sass.py does not know this kernel, or it lacks __launch_bounds__")
            continue
        if arch not in LIMITS:
            wrong.append(f"{where}: check_sass.py has no limits of this architecture")
            continue
        code = sass[kernel, arch] if sass is not None else None
        if use["stack"] or use["local"] or (code and code["spills"]):
            wrong.append(f"{where}: spills (stack {use['stack']} bytes, local {use['local']})")
        for letter, count, name in (("L", "loads128", "LDG.E.128"), ("S", "stores128", "STG.E.128")):
            if code and letter in promised and code[count] == 0:
                wrong.append(f"{where}: no {name}, which its header promises")
        name, least = ARITHMETIC.get(kernel.split("<")[0], ("FFMA", 0))
        if code and code[name] < least and (kernel, arch) not in WITHOUT_ARITHMETIC:
            wrong.append(f"{where}: {code[name]} {name}, and its loop needs {least}")
        percent = occupancy(arch, use["registers"], use["shared"], threads[kernel])
        rows.setdefault(kernel, {})[arch] = {
            "registers": use["registers"], "shared": use["shared"],
            "threads": threads[kernel], "occupancy": percent}
    return rows, wrong


def differences(rows, table):
    """Sentences on what is worse than the table says, or missing on one side."""
    wrong = []
    built = {arch for archs in rows.values() for arch in archs}
    for kernel in sorted(set(rows) | set(table)):
        for arch in sorted(built):
            now, then = rows.get(kernel, {}).get(arch), table.get(kernel, {}).get(arch)
            where = f"{kernel} on {arch}"
            if now is None and then is None:
                continue
            if now is None:
                wrong.append(f"{where}: in the table, not in the objects")
            elif then is None:
                wrong.append(f"{where}: in the objects, not in the table")
            else:
                for name in ("shared", "threads"):
                    if now[name] != then[name]:
                        wrong.append(f"{where}: {name} {now[name]}, the table has {then[name]}")
                if now["registers"] > then["registers"]:
                    wrong.append(f"{where}: {now['registers']} registers, the table allows {then['registers']}")
                if now["occupancy"] < then["occupancy"]:
                    wrong.append(f"{where}: occupancy {now['occupancy']} %, the table wants {then['occupancy']} %")
    return wrong


def find_tool(name):
    xdg_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("GRAFT_CACHE") or os.path.join(xdg_cache, "graft")
    folders = [os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin"),
               os.path.join(cache, "cuda_tools")]
    site = sysconfig.get_paths()["purelib"]
    for package in ("cu13", "cuda_cuobjdump", "cuda_nvdisasm"):
        folders.append(os.path.join(site, "nvidia", package, "bin"))
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


def dump(cuobjdump, nvdisasm, option, objects):
    environment = dict(os.environ)
    if nvdisasm:
        environment["NVDISASM_PATH"] = os.path.dirname(nvdisasm)
        environment["PATH"] = os.path.dirname(nvdisasm) + os.pathsep + environment.get("PATH", "")
    texts = []
    for path in objects:
        done = subprocess.run([cuobjdump, option, path], capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            sys.exit(f"cuobjdump {option} {path} failed: {done.stderr.strip()}")
        texts.append(done.stdout)
    return "\n".join(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("objects", nargs="+")
    options = parser.parse_args()
    cuobjdump, nvdisasm = find_tool("cuobjdump"), find_tool("nvdisasm")
    if cuobjdump is None:
        print("skipped: no cuobjdump (CUDA toolkit, or PyPI's nvidia-cuda-cuobjdump)")
        return SKIPPED

    usage = parse_usage(dump(cuobjdump, nvdisasm, "--dump-resource-usage", options.objects))
    threads = parse_threads(dump(cuobjdump, nvdisasm, "-ptx", options.objects))
    sass = parse_sass(dump(cuobjdump, nvdisasm, "-sass", options.objects)) if nvdisasm else None
    rows, wrong = rows_of(usage, sass, threads)
    if not rows:
        wrong.append("no kernel was found in the objects")
    if options.update and not wrong:
        with open(options.table, "w", encoding="utf-8") as file:
            lines = [f' "{kernel}": {{\n' + ",\n".join(
                f'  "{arch}": {json.dumps(row)}' for arch, row in sorted(archs.items())) + "\n }"
                for kernel, archs in sorted(rows.items())]
            file.write("{\n" + ",\n".join(lines) + "\n}\n")
    elif not options.update:
        with open(options.table, encoding="utf-8") as file:
            wrong += differences(rows, json.load(file))
    for sentence in wrong:
        print(sentence)
    count = sum(len(archs) for archs in rows.values())
    wide = "128-bit accesses too" if sass is not None else "128-bit accesses unchecked: no nvdisasm"
    print(f"{len(rows)} kernels, {count} with their architecture, {len(wrong)} faults; {wide}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
