// A classic script in the head, so that the class is there before the first paint and nothing shifts.
document.documentElement.classList.add("js");
