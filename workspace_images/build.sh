#!/usr/bin/env bash
# Builds an image in both stages, checks it, and pushes it.
#   PROJECT      segmentation | forecasting
#   ACCELERATOR  cpu | gpu
#   REPOSITORY   where the image goes, with its registry
#   TAG          the stages become REPOSITORY:TAG-workspace and REPOSITORY:TAG-training
#   SOURCE       the digest of this folder, noted in the image
#   BASE_IMAGE   default: SageMaker Distribution for the accelerator
#   TORCH_INDEX  an index with PyTorch's CPU builds; default: none
set -euo pipefail
cd "$(dirname "$0")"
for variable in PROJECT ACCELERATOR REPOSITORY TAG; do
  if [[ -z "${!variable:-}" ]]; then
    echo "build.sh: set $variable; see the head of this file" >&2
    exit 2
  fi
done

# Of SageMaker Distribution's tags only those with a patch number stay what they are.
BASE_IMAGE="${BASE_IMAGE:-public.ecr.aws/sagemaker/sagemaker-distribution:4.4.1-$ACCELERATOR}"
mkdir -p wheelhouse
# The Dockerfile binds the wheelhouse into one step, which Docker's older builder does not know.
export DOCKER_BUILDKIT=1
# An image each, not an index that holds an image and a statement on how it was built.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1

for stage in workspace training; do
  docker build . --target "$stage" --tag "$REPOSITORY:$TAG-$stage" \
    --build-arg "BASE_IMAGE=$BASE_IMAGE" \
    --build-arg "PROJECT=$PROJECT" \
    --build-arg "ACCELERATOR=$ACCELERATOR" \
    --build-arg "TORCH_INDEX=${TORCH_INDEX:-}" \
    --build-arg "SOURCE=${SOURCE:-}"
done

# Every library is imported and used before anyone gets the image.
docker run --rm --network none --entrypoint /opt/academy/venv/bin/python \
  "$REPOSITORY:$TAG-training" /opt/academy/check

for stage in workspace training; do
  docker push "$REPOSITORY:$TAG-$stage"
done
