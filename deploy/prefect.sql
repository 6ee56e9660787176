-- Prefect's own database beside that of the reviews.
CREATE DATABASE prefect;
