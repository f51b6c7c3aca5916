-- Which versions of this program have written the warehouse, each since when.
CREATE TABLE ops.version (
    version VARCHAR NOT NULL,
    since TIMESTAMP NOT NULL
);
