# docker build -t visionlora .                                  PyTorch as the package index has it
# docker build -t visionlora --build-arg INDEX=ADDRESS .        another build of it: pytorch.org names the addresses
# docker run --rm -v "$PWD:/images" visionlora train data.root=my_images       (CUDA: add --gpus all)
FROM python:3.11-slim

ARG INDEX
WORKDIR /source
COPY . .
# Without the local part of torch's version (+cpu, +cu128) the pinned versions fit every build of it.
RUN pip install --no-cache-dir ${INDEX:+--extra-index-url "$INDEX"} ".[train]" --constraint constraints.txt \
    && rm -rf /source

# What is found out once (weights, timings) is kept where the images are.
ENV VISIONLORA_CACHE=/images/.visionlora TORCH_HOME=/images/.visionlora/torch
WORKDIR /images
ENTRYPOINT ["visionlora"]
CMD ["--help"]
