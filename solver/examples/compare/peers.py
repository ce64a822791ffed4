#!/usr/bin/env python3
"""Solves problem files with other solvers and prints one JSON object a line.

usage: peers.py {linprog|milp|cvxpy} SECONDS PROBLEM.json ...

The formulation is that of solver/README.md, written down independently: first the least weighted
unmet energy, then the least cost with that held. Times are processor time of building and solving
("ms") and of solving alone ("solve_ms").
A peer that is not installed gives {"missing": why}.
"""

import json
import sys
import time

PHASES = ["L1", "L2", "L3"]


def series(value, slots):
    return list(value) if isinstance(value, list) else [float(value)] * slots


class Program:
    """Columns with bounds, rows with bounds, and two objectives."""

    def __init__(self, problem, integer):
        self.low, self.high, self.whole = [], [], []
        self.rows, self.row_low, self.row_high = [], [], []
        self.cost, self.unmet = {}, {}
        self.constant = 0.0
        self.build(problem, integer)

    def column(self, low, high, whole=0):
        self.low.append(low)
        self.high.append(high)
        self.whole.append(whole)
        return len(self.low) - 1

    def row(self, terms, low, high):
        self.rows.append(terms)
        self.row_low.append(low)
        self.row_high.append(high)

    def build(self, problem, integer):
        slots, hours = problem["slots"], problem["slot_minutes"] / 60
        inf = float("inf")
        circuits = {it["id"]: it for it in problem["circuits"]}
        above = {}
        for name in circuits:
            above[name], here = [], name
            while here is not None:
                above[name].append(here)
                here = circuits[here]["parent"]
        base = {name: None for name in circuits}

        def base_of(name):
            it = circuits[name]
            if it.get("base_load_kw") is not None:
                return series(it["base_load_kw"], slots)
            if it.get("base_load_phase_kw") is not None:
                rows = [series(it["base_load_phase_kw"][p], slots) for p in PHASES]
                return [sum(values) for values in zip(*rows)]
            below = [base_of(child) for child in circuits if circuits[child]["parent"] == name]
            return [sum(values) for values in zip(*below)] if below else [0.0] * slots

        for name in circuits:
            base[name] = base_of(name)
        by_phase = {}

        def phases_of(name):
            """A total stated alone: what is below by its phases, the rest a third each, never less
            than nothing."""
            it = circuits[name]
            if it.get("base_load_phase_kw") is not None:
                return [series(it["base_load_phase_kw"][p], slots) for p in PHASES]
            children = [child for child in circuits if circuits[child]["parent"] == name]
            below = [phases_of(child) for child in children]
            sums = [[sum(rows[i][t] for rows in below) for t in range(slots)] for i in range(3)]
            if it.get("base_load_kw") is not None:
                for t in range(slots):
                    rest = base[name][t] - sum(base[child][t] for child in children)
                    for row in sums:
                        row[t] += max(rest, 0.0) / 3
            return sums

        for name in circuits:
            by_phase[name] = phases_of(name)
        self.by_phase = by_phase
        # What is drawn below a circuit in a slot, and its share on each phase.
        drawn = {name: [[] for _ in range(slots)] for name in circuits}

        def put(circuit, slot, column, sign, shares):
            for name in above[circuit]:
                drawn[name][slot].append((column, sign, shares))

        for it in problem["sessions"]:
            phases = it.get("phases") or PHASES
            shares = [1 / len(phases) if p in phases else 0.0 for p in PHASES]
            window = range(it["arrival_slot"], it["departure_slot"])
            efficiency, energy = it.get("efficiency", 1.0), it["energy_kwh"]
            room = max(it.get("energy_max_kwh") or energy, energy)
            unmet = self.column(0, energy)
            self.unmet[unmet] = it.get("priority", 1.0)
            power = [self.column(0, it["max_kw"]) for _ in window]
            for slot, column in zip(window, power):
                put(it["circuit"], slot, column, 1, shares)
                if integer and it.get("min_kw", 0.0) > 0:
                    on = self.column(0, 1, 1)
                    self.row({column: 1, on: -it["min_kw"]}, 0, inf)
                    self.row({column: 1, on: -it["max_kw"]}, -inf, 0)
            back_max = it.get("discharge_max_kw", 0.0)
            if back_max > 0 and len(window) > 0:
                held = None
                for slot, column in zip(window, power):
                    back = self.column(0, back_max)
                    put(it["circuit"], slot, back, -1, shares)
                    now = self.column(0, room)
                    terms = {column: hours * efficiency, back: -hours / efficiency, now: -1}
                    if held is not None:
                        terms[held] = 1
                    self.row(terms, 0, 0)
                    held = now
                self.row({held: 1, unmet: 1}, energy, inf)
            else:
                terms = {column: hours * efficiency for column in power}
                self.row(dict(terms), -inf, room)
                self.row(terms | {unmet: 1}, energy, inf)
        for it in problem.get("batteries", []):
            held, start = None, it["soc_kwh"]
            efficiency = it.get("efficiency", 1.0)
            least = min(it.get("min_soc_kwh", 0.0), start)
            for slot in range(slots):
                fill = self.column(0, it["charge_max_kw"])
                empty = self.column(0, it["discharge_max_kw"])
                now = self.column(least, it["capacity_kwh"])
                third = [1 / 3] * 3
                put(it["circuit"], slot, fill, 1, third)
                put(it["circuit"], slot, empty, -1, third)
                self.cost[empty] = hours * it.get("cycle_cost_per_kwh", 0.0)
                terms = {fill: hours * efficiency, empty: -hours / efficiency, now: -1}
                if held is None:
                    self.row(terms, -start, -start)
                else:
                    self.row(terms | {held: 1}, 0, 0)
                held = now
        self.circuits(circuits, base, drawn, slots)
        self.grid(problem, circuits, base, drawn, slots, hours)

    def circuits(self, circuits, base, drawn, slots):
        inf = float("inf")
        for name, it in circuits.items():
            limit = series(it["import_limit_kw"], slots)
            export = it.get("export_limit_kw")
            phase = it.get("phase_limit_kw")
            for slot in range(slots):
                terms = {column: sign for column, sign, _ in drawn[name][slot]}
                if not terms:
                    continue
                if export is not None:
                    back = max(series(export, slots)[slot] + base[name][slot], 0.0)
                else:
                    back = max(base[name][slot], 0.0) if it["parent"] is None else inf
                self.row(terms, -back, max(limit[slot] - base[name][slot], 0.0))
                if phase is None:
                    continue
                for index in range(3):
                    own = self.by_phase[name][index][slot]
                    free = max(series(phase, slots)[slot] - own, 0.0)
                    terms = {c: s * shares[index] for c, s, shares in drawn[name][slot]}
                    terms = {c: f for c, f in terms.items() if f != 0.0}
                    if terms:
                        self.row(terms, -inf, free)

    def grid(self, problem, circuits, base, drawn, slots, hours):
        inf = float("inf")
        root = next(name for name, it in circuits.items() if it["parent"] is None)
        price = series(problem["import_price_per_kwh"], slots)
        export = series(problem.get("export_price_per_kwh") or 0.0, slots)
        grams = series(problem.get("carbon_g_per_kwh") or 0.0, slots)
        carbon = problem.get("carbon_price_per_kg", 0.0)
        charge = problem.get("demand_charge")
        peak = None
        if charge and charge["per_kw"] > 0:
            peak = self.column(charge.get("peak_so_far_kw", 0.0), inf)
            self.cost[peak] = charge["per_kw"]
            self.constant -= charge["per_kw"] * charge.get("peak_so_far_kw", 0.0)
        for slot in range(slots):
            bought = self.column(0, inf)
            sold = self.column(0, inf)
            full = price[slot] + grams[slot] / 1000 * carbon
            self.cost[bought] = hours * full
            self.cost[sold] = -hours * min(export[slot], full)
            terms = {column: float(sign) for column, sign, _ in drawn[root][slot]}
            own = base[root][slot]
            self.row(terms | {bought: -1, sold: 1}, -own, -own)
            if peak is not None:
                self.row({bought: 1, peak: -1}, -inf, 0)


def matrix(program):
    import numpy as np
    from scipy.sparse import csr_matrix

    ends, columns, values = [0], [], []
    for row in program.rows:
        columns.extend(row.keys())
        values.extend(row.values())
        ends.append(len(columns))
    shape = (len(program.rows), len(program.low))
    return csr_matrix((np.array(values, float), columns, ends), shape=shape)


def objective(program, terms):
    import numpy as np

    row = np.zeros(len(program.low))
    for column, value in terms.items():
        row[column] = value
    return row


def linprog(problem, _seconds):
    import numpy as np
    from scipy.optimize import linprog as solve
    from scipy.sparse import vstack, csr_matrix

    program = Program(problem, integer=False)
    rows = matrix(program)
    low, high = np.array(program.row_low), np.array(program.row_high)
    equal = low == high
    upper, lower = ~equal & np.isfinite(high), ~equal & np.isfinite(low)
    above = vstack([rows[upper], -rows[lower]])
    most = np.concatenate([high[upper], -low[lower]])
    bounds = np.column_stack([program.low, program.high])
    unmet, cost = objective(program, program.unmet), objective(program, program.cost)
    before = time.process_time()

    def run(goal, extra):
        a, b = above, most
        if extra is not None:
            a, b = vstack([a, csr_matrix(extra[0])]), np.append(b, extra[1])
        return solve(goal, A_ub=a, b_ub=b, A_eq=rows[equal], b_eq=low[equal], bounds=bounds,
                     method="highs")

    # One run with a high price on unmet energy does where nothing stays unmet.
    answer = run(cost + 1e3 * unmet, None)
    least = float(unmet @ answer.x)
    if least > 1e-7:
        least = run(unmet, None).fun
        answer = run(cost, (unmet, least + 1e-9 * max(1.0, abs(least))))
    return {"cost": float(cost @ answer.x) + program.constant, "unmet": least,
            "solve_ms": (time.process_time() - before) * 1e3}


def milp(problem, seconds):
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp as solve

    program = Program(problem, integer=True)
    rows = matrix(program)
    limits = [LinearConstraint(rows, program.row_low, program.row_high)]
    bounds = Bounds(program.low, program.high)
    unmet, cost = objective(program, program.unmet), objective(program, program.cost)
    options = {"time_limit": seconds, "mip_rel_gap": 1e-4}
    whole = np.array(program.whole)
    answer = solve(cost + 1e3 * unmet, constraints=limits, bounds=bounds, integrality=whole,
                   options=options)
    if answer.x is None:
        return {"missing": "no answer in the time given"}
    return {"cost": float(cost @ answer.x) + program.constant, "unmet": float(unmet @ answer.x),
            "gap": float(answer.mip_gap or 0.0), "whole": answer.status == 0}


def cvxpy_peer(problem, _seconds):
    """As modelling layers do it: one expression for each session and slot's sums."""
    import cvxpy as cp

    program = Program(problem, integer=False)
    rows = matrix(program)
    x = cp.Variable(len(program.low))
    import numpy as np

    low, high = np.array(program.row_low), np.array(program.row_high)
    upper, lower = np.isfinite(high), np.isfinite(low)
    bounds_high = np.isfinite(program.high)
    limits = [rows[upper] @ x <= high[upper], rows[lower] @ x >= low[lower],
              x >= np.array(program.low), x[bounds_high] <= np.array(program.high)[bounds_high]]
    unmet, cost = objective(program, program.unmet), objective(program, program.cost)
    goal = cp.Problem(cp.Minimize((cost + 1e3 * unmet) @ x), limits)
    goal.solve(solver=cp.CLARABEL)
    return {"cost": float(cost @ x.value) + program.constant, "unmet": float(unmet @ x.value)}


PEERS = {
    "linprog": ("scipy", linprog),
    "milp": ("scipy", milp),
    "cvxpy": ("cvxpy", cvxpy_peer),
}


def main():
    import importlib

    peer, seconds, files = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    module, solve = PEERS[peer]
    try:
        importlib.import_module(module)
        # Loading is not solving.
        importlib.import_module("scipy.optimize")
        importlib.import_module("scipy.sparse")
    except ImportError as error:
        print(json.dumps({"missing": f"{module} is not installed ({error})"}))
        return
    for file in files:
        with open(file, encoding="utf-8") as source:
            problem = json.load(source)
        before = time.process_time()
        try:
            answer = solve(problem, seconds)
        except Exception as error:  # a peer's failure is a result here
            answer = {"missing": f"{type(error).__name__}: {error}"}
        answer["ms"] = (time.process_time() - before) * 1e3
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
