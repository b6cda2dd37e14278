"""Tables of results, for the terminal and for a Markdown file."""

import platform
import re
import statistics
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    more_is_better: bool = False
    digits: int = 0


METRICS = (
    Metric("fit_samples_per_s", "fit, samples/s", more_is_better=True),
    Metric("step_us", "train step, µs"),
    Metric("infer_1_us", "infer 1 row, µs", digits=1),
    Metric("infer_256_per_s", "infer 256, rows/s", more_is_better=True),
    Metric("predict_1_us", "predict() 1 row, µs", digits=1),
    Metric("first_batch_s", "first batch, s", digits=2),
    Metric("import_s", "import, s", digits=2),
    Metric("peak_rss_mb", "peak RSS, MB"),
)


_OF_TRAINING = ("peak_rss_mb", "first_batch_s")


def summarise(result):
    """Median and spread (half the range, in per cent) of each metric over the rounds."""
    values = {key: [result[key]] for key in ("first_batch_s", "import_s") if key in result}
    for measured in result.get("rounds", ()):
        for key, value in measured.items():
            values.setdefault(key, []).append(value)
    if "peak_rss_mb" in values:
        values["peak_rss_mb"] = [max(values["peak_rss_mb"])]
    out = {}
    for key, seen in values.items():
        median = statistics.median(seen)
        spread = (max(seen) - min(seen)) / 2 / median if median else 0.0
        out[key] = {"median": median, "spread": spread}
    return out


def best_peer(summaries, metric, subject):
    """Name and value of the best of the others, or None.

    Memory and start are compared with peers that train as well: gradients and activations need
    room, a training step is more than loading a file.
    """
    trained = metric.key in _OF_TRAINING and "step_us" in summaries.get(subject, ())
    found = [
        (summary[metric.key]["median"], name)
        for name, summary in summaries.items()
        if name != subject and metric.key in summary and ("step_us" in summary or not trained)
    ]
    if not found:
        return None
    value, name = max(found) if metric.more_is_better else min(found)
    return name, value


def rows_of(results, subject="pyseq"):
    """Cells of a workload's table: a row a peer, then how the subject compares with the best."""
    summaries = {name: summarise(result) for name, result in results.items() if "rounds" in result}
    best = {metric.key: best_peer(summaries, metric, subject) for metric in METRICS}
    rows = []
    for name, summary in summaries.items():
        cells = [name]
        for metric in METRICS:
            entry = summary.get(metric.key)
            cells.append(_cell(metric, entry) if entry else "")
        loss = results[name].get("loss_first_epoch")
        rows.append([*cells, f"{loss:.3f}" if loss is not None else ""])
    if subject in summaries:
        cells = [f"{subject} / best peer"]
        for metric in METRICS:
            entry, peer = summaries[subject].get(metric.key), best[metric.key]
            if not entry or not peer:
                cells.append("")
                continue
            cells.append(f"{ratio(metric, entry, peer):.2f}x ({peer[0]})")
        rows.append([*cells, ""])
    return rows


def ratio(metric, entry, peer):
    """How many times as good as the best peer."""
    value = entry["median"] / peer[1]
    if metric.more_is_better:
        return value
    return 1 / value if value else float("inf")


OVERVIEW = ["workload", *(metric.title for metric in METRICS[:4])]


def overview(workloads, subject="pyseq"):
    """Ratios to the best peer, a row a workload, then their geometric means."""
    rows, seen = [], [[] for _ in METRICS[:4]]
    for name, results in workloads.items():
        summaries = {peer: summarise(r) for peer, r in results.items() if "rounds" in r}
        cells = [name]
        for metric, column in zip(METRICS, seen):
            entry = summaries.get(subject, {}).get(metric.key)
            peer = best_peer(summaries, metric, subject)
            if not entry or not peer:
                cells.append("")
                continue
            column.append(ratio(metric, entry, peer))
            cells.append(f"{column[-1]:.2f}x ({peer[0]})")
        rows.append(cells)
    means = [f"{statistics.geometric_mean(c):.2f}x" if c else "" for c in seen]
    return [*rows, ["geometric mean", *means]]


def _cell(metric, entry):
    value = f"{entry['median']:,.{metric.digits}f}"
    return f"{value} ±{entry['spread']:.0%}" if entry["spread"] >= 0.005 else value


HEADER = ["peer", *(metric.title for metric in METRICS), "loss, epoch 1"]


def not_run(results):
    return {name: result["not_run"] for name, result in results.items() if "not_run" in result}


def print_table(console, title, header, rows, bold):
    from rich.table import Table

    table = Table(title=title, header_style="bold")
    for index, column in enumerate(header):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row, style="bold" if row[0].startswith(bold) else None)
    console.print(table)


def print_workload(console, name, results):
    print_table(console, name, HEADER, rows_of(results), "pyseq")
    for peer, reason in not_run(results).items():
        console.print(f"  not run: {peer}: {reason}", style="dim", highlight=False)


def markdown(document):
    """The whole run as Markdown."""
    machine = document["machine"]
    about = (
        f"{machine['cores']} cores, {document['threads']} threads, {document['rounds']} rounds of "
        f"{document['seconds']:g} s a figure; medians ± half the range. Load average before: "
        f"{machine['load']:.2f}. Ratios above 1 say that pyseq is better."
    )
    versions = ", ".join(f"{name} {text}" for name, text in sorted(document["versions"].items()))
    name = machine.get("gpu", machine["cpu"])
    lines = [f"# {name}, {document['date']}", "", about, "", f"Versions: {versions}.", ""]
    lines += ["pyseq against the best of the peers:", "", "| " + " | ".join(OVERVIEW) + " |"]
    lines.append("|---|" + "---:|" * (len(OVERVIEW) - 1))
    lines += ["| " + " | ".join(row) + " |" for row in overview(document["workloads"])]
    for name, results in document["workloads"].items():
        lines += ["", f"## {name}", "", "| " + " | ".join(HEADER) + " |"]
        lines.append("|---|" + "---:|" * (len(HEADER) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in rows_of(results)]
        skipped = not_run(results)
        if skipped:
            reasons = "; ".join(f"{peer} ({reason})" for peer, reason in skipped.items())
            lines += ["", f"Not run: {reasons}."]
    return "\n".join(lines) + "\n"


def cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def file_stem(folder, name, date):
    """Path of a file of results, without its ending; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return folder / f"{slug}-{date[:10]}"
