// Package fleet lives the lives of tens of thousands of simulated locks in one process, or several: each has its own identity,
// connection and source address, swipes by the rhythm of a day, and is cut off, half cut off and rebooted now and then.
//
// Provision makes the doors, devices, people and cards over the public API and keeps them in a folder; Run connects the locks
// of that folder, counts what happens, and writes down every event that a lock was told is durable; Verify looks each of
// them up in the ledger. What the locks attempt follows from a seed; what comes of it depends on the system under test.
package fleet
