// Package meta tests the repository itself: which package may import which
// (imports_test.go), and whether the documents say what the code does (docs_test.go). Its
// folders test the types, the tests, and what they prove.
package meta
