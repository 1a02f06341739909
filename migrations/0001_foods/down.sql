DROP TABLE food;
DROP TABLE unit;
DROP TABLE clinical_limit;
DROP TABLE goal;
DROP TABLE activity_level;
DROP TABLE sex;
