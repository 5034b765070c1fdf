#!/usr/bin/env bash
# Makes the course environment /opt/academy/venv from the locks, while an image is built.
#   install.sh segmentation|forecasting cpu|gpu WHEELHOUSE [TORCH_INDEX]
# WHEELHOUSE is a folder with every package, as `make image` fills it, or an empty one: then
# packages come from the index. Either way each is checked against its hash.
set -euo pipefail
project="$1" accelerator="$2" wheelhouse="$3" torch_index="${4:-}"
locks="$(cd "$(dirname "$0")" && pwd)"
venv=/opt/academy/venv

case "$project/$accelerator" in
  segmentation/cpu | segmentation/gpu | forecasting/cpu | forecasting/gpu) ;;
  *)
    echo "install.sh: no image $project for $accelerator; give --build-arg PROJECT=segmentation or" \
      "forecasting, and ACCELERATOR=cpu or gpu" >&2
    exit 2
    ;;
esac

# A Python of its own: SageMaker Distribution's is of another version, and changes when it does.
python="$(command -v python3.11 || true)"
if [[ -z "$python" ]]; then
  micromamba create --yes --quiet --prefix /opt/academy/python3.11 \
    --override-channels --channel conda-forge 'python=3.11'
  micromamba clean --all --yes --quiet
  python=/opt/academy/python3.11/bin/python3.11
fi
"$python" -m venv "$venv"

pip() {
  "$venv/bin/python" -m pip "$@" --quiet --no-deps --require-hashes --no-cache-dir \
    --disable-pip-version-check --root-user-action=ignore
}

from=()
if compgen -G "$wheelhouse/*.whl" >/dev/null; then
  from=(--no-index --find-links "$wheelhouse")
fi

pip install "${from[@]}" --requirement "$locks/tools.txt"

torch="$locks/torch-gpu.txt"
if [[ "$accelerator" == cpu ]]; then
  if compgen -G "$wheelhouse/torch-*+cpu-*.whl" >/dev/null; then
    torch="$locks/torch-cpu.txt"
  elif [[ -n "$torch_index" ]]; then
    torch="$locks/torch-cpu.txt"
    from+=(--extra-index-url "$torch_index")
  else
    echo "install.sh: neither a wheelhouse nor TORCH_INDEX has PyTorch's CPU build: the CUDA build" \
      "serves, some 4 GB larger"
  fi
fi
pip install "${from[@]}" --requirement "$torch"
# What comes as source is built with the tools above, not with what an index has today.
pip install "${from[@]}" --no-build-isolation --requirement "$locks/$project.txt"
"$venv/bin/python" -m pip check
