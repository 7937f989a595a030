"""What the pages have in common: their templates, with filters for numbers and pictures."""

import base64
from pathlib import Path
from typing import Any


def environment(package: str, pictures: Path) -> Any:
    """The templates of a package, with the filters that all pages use; `pictures` is the folder of their pictures."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("jaxmlp.plots")]),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["per_cent"] = lambda share: f"{100 * share:.2f} %"
    environment.filters["mean_std_per_cent"] = lambda s: f"{100 * s['mean']:.2f} ± {100 * s['std']:.2f} %"
    environment.filters["mean_std"] = lambda s, digits=4: f"{s['mean']:.{digits}f} ± {s['std']:.{digits}f}"
    environment.filters["range"] = lambda s: f"{s['min']:,.0f} to {s['max']:,.0f}"
    environment.filters["sci"] = lambda number: "none" if number is None else f"{number:.2e}"
    environment.filters["thousands"] = lambda number: f"{number:,.0f}"
    environment.filters["embedded"] = lambda name: _embedded(pictures / f"{name}.png")
    return environment


def _embedded(path: Path) -> str:
    """A picture as a data address, so that the page stands alone."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
