"""The dashboard: a folder of static pages over everything recorded, which needs no server and no network.

    index.html case.html compare.html ...  the pages: one template, one script each, one style
    plotly.min.js                          plotly's own, from the installed package, once
    data/changes.js                        what the landing page shows
    data/runs.js data/cases.js             every run, and every case's name
    data/case/<id>.js                      a case over commits: its change points, and a line a run
    data/late/<digit>.js                   the newest lines of the cases whose ids begin so, until their turn
    data/run/<number>.js                   a run: its environment, and the numbers of its measurements
    data/samples/<number>.js               its side-car's own lines, packed
    data/machines.js                       noise, ceilings and roofline by machine
    manifest.json                          what the site was made of; a later build goes on from it

Data lie in scripts that hand themselves over, since a page opened as a file may not fetch anything. Lines
of a run wait beside the files of its cases, so that a new commit costs little however long the past.
"""

from dsbench.reports.site.building import Built, EmptyError, SiteError, build

__all__ = ["Built", "EmptyError", "SiteError", "build"]
