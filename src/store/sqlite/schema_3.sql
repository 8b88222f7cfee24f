-- No query was faster by it, and the one that used it, to count flags by severity, was eight times slower.
DROP INDEX flag_worst;
