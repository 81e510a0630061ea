#!/usr/bin/env python3
"""Optuna's TPE drives temper's trials (Debian: python3-optuna, or pip install optuna).

    search_optuna.py TRIALS temper search MODEL DATA [options]
"""
import json
import math
import subprocess
import sys

import optuna

command = sys.argv[2:]
axes = [json.loads(line) for line in subprocess.run([*command, "--ask"], check=True, capture_output=True,
                                                    text=True).stdout.splitlines()]
tell = subprocess.Popen([*command, "--tell"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def objective(trial):
    values = {a["axis"]: trial.suggest_categorical(a["axis"], a["choices"]) if "choices" in a else
              trial.suggest_int(a["axis"], math.ceil(a["low"]), int(a["high"]), log=True) if a["scale"] == "powers of 2" else
              trial.suggest_float(a["axis"], a["low"], a["high"], log=a["scale"] != "linear") for a in axes}
    print(json.dumps({"values": values}), file=tell.stdin, flush=True)
    return json.loads(tell.stdout.readline())["score"]


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
study.optimize(objective, n_trials=int(sys.argv[1]))
print(json.dumps({"score": study.best_value, "values": study.best_params}))
tell.stdin.close()
sys.exit(tell.wait())
