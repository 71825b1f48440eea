// Package meta tests the repository itself: which package may import which
// (imports_test.go). Its folders test the types, the tests, and what they prove.
package meta
