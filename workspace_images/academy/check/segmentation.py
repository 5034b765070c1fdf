"""Checks of the segmentation image: classes of a radar scene by hand-sized arrays."""

from __future__ import annotations

import tempfile
from pathlib import Path


def lightning() -> str:
    import lightning
    import torch

    class Line(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, index):
            x, y = batch
            return torch.nn.functional.mse_loss(self.layer(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    x = torch.linspace(-1, 1, 32).unsqueeze(1)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 2 * x), batch_size=8)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = lightning.Trainer(
            max_epochs=20,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=scratch,
        )
        model = Line()
        trainer.fit(model, data)
    assert abs(model.layer.weight.item() - 2) < 0.2
    return lightning.__version__


def torchmetrics() -> str:
    import torch
    import torchmetrics

    metric = torchmetrics.F1Score("multiclass", num_classes=3, average="macro")
    value = metric(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 1])).item()
    assert abs(value - (1 + 2 / 3 + 2 / 3) / 3) < 1e-6
    return torchmetrics.__version__


def kornia() -> str:
    import kornia
    import torch

    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 1] = 20
    labels = torch.ones(1, 4, 4, dtype=torch.long)
    assert kornia.losses.dice_loss(logits, labels, average="micro").item() < 1e-3
    return kornia.__version__


def segmentation_models() -> str:
    import segmentation_models_pytorch as smp
    import torch

    model = smp.Unet("resnet18", encoder_weights=None, in_channels=2, classes=9).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 2, 64, 64)).shape == (1, 9, 64, 64)
    return smp.__version__


def torchgeo() -> str:
    import torch
    import torchgeo
    from torchgeo.transforms import AppendNormalizedDifferenceIndex

    bands = {"image": torch.tensor([3.0, 1.0]).reshape(1, 2, 1, 1)}
    made = AppendNormalizedDifferenceIndex(0, 1)(bands["image"])
    assert abs(made[0, 2].item() - 0.5) < 1e-6
    return torchgeo.__version__


def rasterio() -> str:
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.warp import transform

    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "scene.tif")
        with rasterio.open(
            file,
            "w",
            driver="GTiff",
            width=4,
            height=3,
            count=1,
            dtype="float32",
            crs="EPSG:32736",
            transform=from_origin(500000, 9900000, 20, 20),
        ) as out:
            out.write(array, 1)
        with rasterio.open(file) as found:
            assert (found.read(1) == array).all()
            assert found.res == (20.0, 20.0)
    # PROJ's data are there: the central meridian of zone 36 is 33 degrees east.
    (longitude,), _ = transform("EPSG:32736", "EPSG:4326", [500000], [9900000])
    assert abs(longitude - 33) < 1e-6
    return f"{rasterio.__version__}, GDAL {rasterio.__gdal_version__}"


def odc_stac() -> str:
    import odc.stac
    from odc.geo.geobox import GeoBox

    box = GeoBox.from_bbox((0, 0, 1000, 500), crs="EPSG:32736", resolution=20)
    assert tuple(box.shape) == (25, 50)
    return odc.stac.__version__


def pystac_client() -> str:
    import datetime as dt

    import pystac
    import pystac_client

    item = pystac.Item("a", None, None, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), {})
    assert item.to_dict()["properties"]["datetime"] == "2026-01-01T00:00:00Z"
    return pystac_client.__version__


def distributed() -> str:
    import dask.array
    import distributed

    with distributed.Client(processes=False, n_workers=1, dashboard_address=None):
        assert dask.array.ones((10, 10), chunks=5).sum().compute() == 100
    return distributed.__version__


def scikit_learn() -> str:
    import numpy as np
    import sklearn
    from sklearn.ensemble import RandomForestClassifier

    x = np.arange(20.0).reshape(-1, 1)
    forest = RandomForestClassifier(5, random_state=0).fit(x, x[:, 0] > 9)
    assert forest.predict([[2.0], [18.0]]).tolist() == [False, True]
    return sklearn.__version__


CHECKS = {
    "lightning": lightning,
    "torchmetrics": torchmetrics,
    "kornia": kornia,
    "segmentation-models-pytorch": segmentation_models,
    "torchgeo": torchgeo,
    "rasterio": rasterio,
    "odc-stac": odc_stac,
    "pystac-client": pystac_client,
    "distributed": distributed,
    "scikit-learn": scikit_learn,
}
