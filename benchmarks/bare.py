"""The peer of intake's benchmark: the same uvicorn answering a bare validated POST, with no database, key or masking."""

import sys

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from services.intake.domain import Submission

app = FastAPI()


@app.post("/v1/complaints")
async def submit(submission: Submission) -> JSONResponse:
    return JSONResponse({"source_ref": submission.source_ref, "status": "received"}, 202)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_config=None, loop="uvloop", http="httptools")
