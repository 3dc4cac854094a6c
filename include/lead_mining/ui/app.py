"""All pages of lead mining as one application, to be mounted at `/lead-mining`."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from lead_mining.ui import credits, generate, quality, rejections, requests, searches

app = FastAPI(title="Lead mining", openapi_url=None)
for page in (requests, generate, searches, credits, rejections, quality):
    app.include_router(page.router)
app.mount("/static", StaticFiles(directory=str(files("lead_mining.pages").joinpath("static"))), name="static")
