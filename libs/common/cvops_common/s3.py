"""Making the bucket: the one thing that obstore does not do. Standard AWS_* variables tell endpoint and credentials."""

import os
from urllib.parse import urlparse

from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from cvops_common.errors import Unavailable


def ensure_bucket(bucket: str) -> None:
    """Creates `bucket` on the S3 server named by AWS_ENDPOINT_URL; on AWS itself buckets are made by their owner.

    Raises:
        Unavailable: the server does not answer or refuses.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
    if not endpoint:
        return
    parsed = urlparse(endpoint)
    client = Minio(
        parsed.netloc,
        access_key=os.environ.get("AWS_ACCESS_KEY_ID"),
        secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
        region=os.environ.get("AWS_REGION", "us-east-1"),
        secure=parsed.scheme == "https",
    )
    try:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    except S3Error as error:
        if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise Unavailable(f"S3 server {endpoint} did not make bucket {bucket}: {error.code}") from error
    except (HTTPError, OSError) as error:
        raise Unavailable(f"S3 server {endpoint} does not answer: {error}") from error
