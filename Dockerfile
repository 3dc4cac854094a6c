# The project in Apache Airflow's own image, for docker-compose.yaml. Runs as Airflow's user (50000), not as root.
FROM apache/airflow:3.3.2-python3.11

WORKDIR /opt/lead-mining
USER root
RUN install --directory --owner=airflow --group=0 . data_docs kept_answers simulator # of volumes: they take the owner over
USER airflow
COPY --chown=airflow:0 pyproject.toml README.md ./
COPY --chown=airflow:0 include ./include
# The same versions as everywhere else, held to their hashes, and only of what is needed here.
RUN pip install --no-cache-dir --require-hashes --requirement include/requirements-image.txt \
 && pip install --no-cache-dir --no-deps --no-build-isolation --editable .
COPY --chown=airflow:0 dags ./dags
COPY --chown=airflow:0 plugins ./plugins
COPY --chown=airflow:0 include/local_stack/airflow_local_settings.py /opt/airflow/config/airflow_local_settings.py

ENV AIRFLOW__CORE__DAGS_FOLDER=/opt/lead-mining/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/lead-mining/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    LEAD_MINING_DATA_DOCS=/opt/lead-mining/data_docs \
    LEAD_MINING_KEPT_ANSWERS=/opt/lead-mining/kept_answers \
    GX_ANALYTICS_ENABLED=False
