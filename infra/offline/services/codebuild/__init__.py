"""CodeBuild of the embedded cloud: a project's source from S3, its buildspec run as real processes.

moto keeps projects and claims that every build succeeds. Here StartBuild fetches the source with
the project's service role, unpacks it, and runs the phases of its buildspec by bash, with that
role's credentials and CodeBuild's variables; the log goes to CloudWatch Logs.

There is no container: the build image is recorded and not pulled, and commands find the programs of
the machine, with two stand-ins first on PATH (`tools`): `aws`, which can log in to ECR, and
`docker`, which makes and pushes images of the academy's layout without an engine.

Operations: CreateProject, UpdateProject, DeleteProject, BatchGetProjects, ListProjects, StartBuild,
BatchGetBuilds, StopBuild, ListBuilds, ListBuildsForProject. Importing this package declares the
changes to moto. `close()` ends what runs, before the cloud stops.
"""

from infra.offline.fidelity import Part
from infra.offline.services.codebuild import builds, projects
from infra.offline.services.codebuild.operations import close

FIDELITY = Part(
    title="CodeBuild",
    emulated=(
        "projects and builds: source from S3 under the service role, the buildspec's phases as "
        "bash processes, log, timeout, stop, idempotency"
    ),
    checked=(
        "by client: AWS CLI; by model; the project's real context in "
        "`tests/end_to_end/test_images_life.py`"
    ),
    differences=(
        "stood for: the build container, the AWS CLI (`ecr get-login-password` alone) and "
        "Docker. `docker build` runs no RUN line: it makes one layer of the context's "
        "`academy/`, and the digests of everything else go into the image's configuration; "
        "`docker run` imports the library and says that the libraries were not checked. No "
        "events"
    ),
)

__all__ = ["builds", "close", "projects"]
